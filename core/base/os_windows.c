/* SPDX-License-Identifier: Apache-2.0 */
/* os_windows.c - machine and process of os.h on Windows, errors and start. Files are in
 * os_file_windows.c, names in os_path_windows.c, access lists in os_trust_windows.c. Everything
 * imported is there in NT 5.2; what is newer or not declared is looked up at run time. */
#include "core/base/os_windows.h"

#include "core/base/text.h"
#include "core/base/wide_windows.h"

#include <fcntl.h>
#include <io.h>
#include <psapi.h>
#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

/* Newer or undeclared, but what a system or a file server may say. */
#define NO_SUCH_DEVICE 433
#define DISK_QUOTA_EXCEEDED 1295

static const struct {
    DWORD error;
    int status;
} status_of_error[] = {
    { ERROR_FILE_NOT_FOUND, DS_ENOENT },
    { ERROR_PATH_NOT_FOUND, DS_ENOENT },
    { ERROR_INVALID_DRIVE, DS_ENOENT },
    { ERROR_INVALID_NAME, DS_ENOENT },
    { ERROR_BAD_PATHNAME, DS_ENOENT },
    { ERROR_DIRECTORY, DS_ENOENT },
    { ERROR_BAD_NETPATH, DS_ENOENT },
    { ERROR_BAD_NET_NAME, DS_ENOENT },
    { ERROR_DEV_NOT_EXIST, DS_ENOENT },
    { NO_SUCH_DEVICE, DS_ENOENT },
    { ERROR_DEVICE_NOT_CONNECTED, DS_ENOENT },
    { ERROR_ACCESS_DENIED, DS_EACCES },
    { ERROR_WRITE_PROTECT, DS_EACCES },
    { ERROR_NETWORK_ACCESS_DENIED, DS_EACCES },
    { ERROR_PRIVILEGE_NOT_HELD, DS_EACCES },
    { ERROR_LOGON_FAILURE, DS_EACCES },
    { ERROR_DISK_FULL, DS_ENOSPC },
    { ERROR_HANDLE_DISK_FULL, DS_ENOSPC },
    { DISK_QUOTA_EXCEEDED, DS_ENOSPC },
    { ERROR_FILE_TOO_LARGE, DS_ENOSPC },
    { ERROR_NOT_ENOUGH_MEMORY, DS_ENOMEM },
    { ERROR_OUTOFMEMORY, DS_ENOMEM },
    { ERROR_NO_SYSTEM_RESOURCES, DS_ENOMEM },
    { ERROR_COMMITMENT_LIMIT, DS_ENOMEM },
    { ERROR_FILE_EXISTS, DS_EEXIST },
    { ERROR_ALREADY_EXISTS, DS_EEXIST },
    { ERROR_BUSY, DS_EBUSY },
    { ERROR_SHARING_VIOLATION, DS_EBUSY },
    { ERROR_LOCK_VIOLATION, DS_EBUSY },
    { ERROR_DRIVE_LOCKED, DS_EBUSY },
    { ERROR_USER_MAPPED_FILE, DS_EBUSY },
    { ERROR_DELETE_PENDING, DS_EBUSY },
    { ERROR_INVALID_FUNCTION, DS_ENOTSUP },
    { ERROR_NOT_SUPPORTED, DS_ENOTSUP },
    { ERROR_CALL_NOT_IMPLEMENTED, DS_ENOTSUP },
    { ERROR_FILENAME_EXCED_RANGE, DS_EINVAL },
    { ERROR_NO_UNICODE_TRANSLATION, DS_EINVAL },
};

static int status_of(DWORD error)
{
    for (size_t i = 0; i < sizeof status_of_error / sizeof status_of_error[0]; i++)
        if (status_of_error[i].error == error)
            return status_of_error[i].status;
    return DS_EIO;
}

/* The system's words for an error, in English if it has them, without the final stop. */
static void text_of_error(DWORD error, char *out, size_t cap)
{
    wchar_t wide[256];
    DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
    DWORD n = FormatMessageW(flags, NULL, error, MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), wide,
                             256, NULL);
    if (n == 0)
        n = FormatMessageW(flags, NULL, error, 0, wide, 256, NULL);
    while (n && (wide[n - 1] <= ' ' || wide[n - 1] == '.'))
        n--;
    wide[n < 256 ? n : 255] = 0;
    if (n == 0 || !wide_to_utf8(out, cap, wide))
        snprintf(out, cap, "error %lu", (unsigned long)error);
}

int os_fail_code(struct ds_error *err, int os_code, const char *what, const char *path)
{
    char why[512];
    int code = status_of((DWORD)os_code);
    text_of_error((DWORD)os_code, why, sizeof why);
    ds_fail(err, code, "cannot %s %s: %s", what, path, why);
    ds_error_native(err, DS_DOMAIN_WIN32, os_code);
    return code;
}

int os_fail(struct ds_error *err, const char *what, const char *path)
{
    return os_fail_code(err, (int)GetLastError(), what, path);
}

/* ---- functions that may be missing ---- */

FARPROC os_system_function(const wchar_t *library, const char *name)
{
    wchar_t path[MAX_PATH + 32];
    UINT n = GetSystemDirectoryW(path, MAX_PATH);
    size_t m = wcslen(library);
    if (n == 0 || n >= MAX_PATH || m > 30)
        return NULL;
    path[n] = '\\';
    memcpy(path + n + 1, library, (m + 1) * sizeof *path);
    HMODULE module = GetModuleHandleW(library);
    if (!module)
        module = LoadLibraryExW(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    return module ? GetProcAddress(module, name) : NULL;
}

/* From the pointer that GetProcAddress returns to the right one, which C wants to see as bytes. */
#define LOOK_UP(pointer, library, name)                                                            \
    do {                                                                                           \
        FARPROC found_ = os_system_function(library, name);                                        \
        memcpy(&(pointer), &found_, sizeof found_);                                                \
    } while (0)

int os_random(void *out, size_t n, struct ds_error *err)
{
    BOOLEAN(WINAPI * generate)(void *, ULONG);
    LOOK_UP(generate, L"advapi32.dll", "SystemFunction036"); /* known as RtlGenRandom */
    for (size_t done = 0; done < n;) {
        ULONG piece = n - done > 1u << 20 ? 1u << 20 : (ULONG)(n - done);
        if (!generate || !generate((char *)out + done, piece))
            return ds_fail(err, DS_EIO, "cannot read the system's random numbers");
        done += piece;
    }
    return DS_OK;
}

/* ---- clocks and counts ---- */

static uint64_t ticks_of(FILETIME t)
{
    return (uint64_t)t.dwHighDateTime << 32 | t.dwLowDateTime;
}

int64_t os_wall_ns(void)
{
    const int64_t epoch = 116444736000000000; /* from 1601 to 1970 in 100 ns */
    void(WINAPI * precise)(FILETIME *);
    FILETIME now;
    LOOK_UP(precise, L"kernel32.dll", "GetSystemTimePreciseAsFileTime");
    if (precise)
        precise(&now);
    else
        GetSystemTimeAsFileTime(&now);
    return ((int64_t)ticks_of(now) - epoch) * 100;
}

uint64_t os_mono_ns(void)
{
    LARGE_INTEGER count, rate;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&rate);
    uint64_t c = (uint64_t)count.QuadPart, r = (uint64_t)rate.QuadPart;
    return c / r * 1000000000u + c % r * 1000000000u / r;
}

void os_sleep_ns(uint64_t ns)
{
    uint64_t end = os_mono_ns() + ns;
    for (uint64_t now = os_mono_ns(); now < end; now = os_mono_ns()) {
        uint64_t ms = (end - now + 999999) / 1000000;
        Sleep(ms > 1000000 ? 1000000 : (DWORD)ms);
    }
}

uint64_t os_cpu_ns(void)
{
    FILETIME created, exited, kernel, user;
    if (!GetProcessTimes(GetCurrentProcess(), &created, &exited, &kernel, &user))
        return 0;
    return (ticks_of(kernel) + ticks_of(user)) * 100;
}

uint64_t os_peak_rss(void)
{
    BOOL(WINAPI * ask)(HANDLE, PROCESS_MEMORY_COUNTERS *, DWORD);
    PROCESS_MEMORY_COUNTERS counters = { .cb = sizeof counters };
    LOOK_UP(ask, L"psapi.dll", "GetProcessMemoryInfo");
    if (!ask || !ask(GetCurrentProcess(), &counters, sizeof counters))
        return 0;
    return counters.PeakWorkingSetSize;
}

unsigned os_cpu_count(void)
{
    DWORD(WINAPI * count_all)(WORD); /* those of every group of 64 */
    SYSTEM_INFO info;
    LOOK_UP(count_all, L"kernel32.dll", "GetActiveProcessorCount");
    DWORD n = count_all ? count_all(0xffff) : 0;
    if (n == 0) {
        GetSystemInfo(&info);
        n = info.dwNumberOfProcessors;
    }
    return n ? n : 1;
}

/* ---- identity ---- */

const char *os_name(void)
{
    return "windows";
}

void os_hostname(char *out, size_t cap)
{
    wchar_t wide[256];
    char name[3 * 256];
    DWORD n = 256;
    if (!GetComputerNameExW(ComputerNameDnsHostname, wide, &n) ||
        !wide_to_utf8(name, sizeof name, wide) || !*name)
        text_copy(name, sizeof name, "localhost");
    text_copy(out, cap, name);
}

/* SMBIOS: structures of {type, length, handle} and their data, each followed by texts that end
 * with an empty one. Type 1 holds the UUID at 8. From version 2.6 on its first three fields count
 * as little-endian numbers; the text is then the one that Linux shows. */
static bool find_uuid(const uint8_t *table, size_t n, bool swapped, uint8_t uuid[UUID_SIZE])
{
    static const uint8_t order[UUID_SIZE] = { 3, 2,  1,  0,  5,  4,  7,  6,
                                              8, 9, 10, 11, 12, 13, 14, 15 };
    for (size_t at = 0; n - at >= 4 && table[at] != 127;) {
        size_t len = table[at + 1];
        if (len < 4 || len > n - at)
            return false;
        if (table[at] == 1 && len >= 8 + UUID_SIZE) {
            unsigned sum = 0, both = 0xff;
            for (size_t i = 0; i < UUID_SIZE; i++) {
                uuid[i] = table[at + 8 + (swapped ? order[i] : i)];
                sum |= uuid[i];
                both &= uuid[i];
            }
            return sum != 0 && both != 0xff; /* neither "not set" nor "not there" */
        }
        at += len;
        while (n - at >= 2 && (table[at] || table[at + 1]))
            at++;
        if (n - at < 2)
            return false;
        at += 2;
    }
    return false;
}

static bool firmware_uuid(uint8_t uuid[UUID_SIZE])
{
    enum { HEADER = 8, TABLE_MAX = 1 << 20 }; /* method, major, minor, revision, length */
    const DWORD provider = 0x52534d42; /* "RSMB" */
    UINT(WINAPI * ask)(DWORD, DWORD, void *, DWORD);
    LOOK_UP(ask, L"kernel32.dll", "GetSystemFirmwareTable");
    UINT n = ask ? ask(provider, 0, NULL, 0) : 0;
    if (n <= HEADER || n > TABLE_MAX)
        return false;
    uint8_t *data = malloc(n);
    bool found = false;
    if (data && ask(provider, 0, data, n) == n)
        found = find_uuid(data + HEADER, n - HEADER, data[1] > 2 || (data[1] == 2 && data[2] >= 6),
                          uuid);
    free(data);
    return found;
}

/* The id that the setup of Windows gave the machine. */
static bool registry_id(char *out, size_t cap)
{
    wchar_t value[128];
    DWORD type, size = sizeof value - sizeof value[0];
    HKEY key;
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, L"SOFTWARE\\Microsoft\\Cryptography", 0,
                      KEY_QUERY_VALUE | KEY_WOW64_64KEY, &key) != ERROR_SUCCESS)
        return false;
    LONG e = RegQueryValueExW(key, L"MachineGuid", NULL, &type, (BYTE *)value, &size);
    RegCloseKey(key);
    if (e != ERROR_SUCCESS || type != REG_SZ)
        return false;
    value[size / sizeof value[0]] = 0;
    return wide_to_utf8(out, cap, value) && *out;
}

void os_machine_identity(char *out, size_t cap)
{
    uint8_t uuid[UUID_SIZE];
    if (cap >= UUID_TEXT && firmware_uuid(uuid))
        text_uuid(out, uuid);
    else if (!registry_id(out, cap))
        out[0] = 0;
}

/* ---- environment ---- */

bool os_env(char *out, size_t cap, const char *name)
{
    wchar_t wide_name[256], value[WIDE_PATH_MAX];
    if (!wide_from_utf8(wide_name, 256, name))
        return false;
    SetLastError(0);
    DWORD n = GetEnvironmentVariableW(wide_name, value, WIDE_PATH_MAX);
    if (n >= WIDE_PATH_MAX || (n == 0 && GetLastError() != 0))
        return false;
    value[n] = 0;
    return wide_to_utf8(out, cap, value);
}

/* The default places, made once: whoever comes while another makes them waits. */
static const char *default_place(bool state)
{
    static char policy_path[1024], state_path[1024];
    static volatile LONG made; /* 0 no, 1 being made, 2 yes */
    if (InterlockedCompareExchange(&made, 1, 0) == 0) {
        char root[900];
        if (!os_env(root, sizeof root, "ProgramData") || !os_is_absolute(root))
            if (!os_env(root, sizeof root, "ALLUSERSPROFILE") || !os_is_absolute(root))
                text_copy(root, sizeof root, "C:\\ProgramData");
        snprintf(policy_path, sizeof policy_path, "%s\\DiskSync\\policy.yaml", root);
        snprintf(state_path, sizeof state_path, "%s\\DiskSync\\state", root);
        InterlockedExchange(&made, 2);
    }
    while (InterlockedCompareExchange(&made, 2, 2) != 2)
        Sleep(0);
    return state ? state_path : policy_path;
}

const char *os_default_policy(void)
{
    return default_place(false);
}

const char *os_default_state(void)
{
    return default_place(true);
}

/* ---- streams, start and end ---- */

static HANDLE stream_handle(int stream)
{
    return GetStdHandle(stream == 1 ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
}

bool os_is_tty(int stream)
{
    DWORD mode;
    return GetConsoleMode(stream_handle(stream), &mode);
}

unsigned os_columns(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (GetConsoleScreenBufferInfo(stream_handle(2), &info)) {
        int n = info.srWindow.Right - info.srWindow.Left + 1;
        if (n > 20)
            return (unsigned)n;
    }
    return 80;
}

/* NULL without memory, or with an argument that is no text. */
static char **utf8_arguments(int *count)
{
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), count);
    if (!wide)
        return NULL;
    char **list = calloc((size_t)*count + 1, sizeof *list);
    for (int i = 0; list && i < *count; i++) {
        size_t cap = 3 * wcslen(wide[i]) + 1;
        list[i] = malloc(cap);
        if (!list[i] || !wide_to_utf8(list[i], cap, wide[i]))
            return NULL; /* the process is about to end: nothing is given back */
    }
    LocalFree(wide);
    return list;
}

/* They may be inheritable: a program that is started later must not hold what whoever called this
 * one waits on. Its own are made for it. */
static void keep_standard_handles(void)
{
    static const DWORD streams[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        HANDLE handle = GetStdHandle(streams[i]);
        if (handle && handle != INVALID_HANDLE_VALUE)
            SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0);
    }
}

void os_start(int *argc, char ***argv)
{
    int n;
    char **list = utf8_arguments(&n);
    if (!list) {
        fputs("disksync: no memory for the program's arguments\n", stderr);
        exit(1);
    }
    *argc = n;
    *argv = list;
    /* No box that waits for a click when a disk is missing; no library of the current folder. */
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX);
    SetDllDirectoryW(L"");
    keep_standard_handles();
    SetConsoleOutputCP(CP_UTF8);
    /* What goes to a file or pipe is the same on every system. */
    if (!os_is_tty(1))
        _setmode(_fileno(stdout), _O_BINARY);
    if (!os_is_tty(2))
        _setmode(_fileno(stderr), _O_BINARY);
}

static volatile int *interrupt_flag;

static BOOL WINAPI on_control(DWORD event)
{
    switch (event) {
    case CTRL_C_EVENT:
    case CTRL_BREAK_EVENT:
        if (*interrupt_flag)
            ExitProcess(130); /* as shells report SIGINT */
        *interrupt_flag = 1;
        return TRUE;
    case CTRL_CLOSE_EVENT:
    case CTRL_SHUTDOWN_EVENT:
        /* The process is ended when this returns, or after the system's own patience. */
        *interrupt_flag = 1;
        Sleep(INFINITE);
        return TRUE;
    default:
        return FALSE; /* another user's logoff is nothing to a service */
    }
}

void os_on_interrupt(volatile int *flag)
{
    interrupt_flag = flag;
    /* A parent may have switched Ctrl-C off for its children. */
    SetConsoleCtrlHandler(NULL, FALSE);
    SetConsoleCtrlHandler(on_control, TRUE);
}
