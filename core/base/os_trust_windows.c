/* SPDX-License-Identifier: Apache-2.0 */
/* os_trust_windows.c - who may change a file on Windows, and files that nobody else may change.
 * Trusted are the administrators, the system, its installer service and the current user: a file is
 * trusted if one of them owns it and its access list lets no one else write, replace or take it.
 * In doubt (no list at all, an entry of unknown kind) it is not. */
#include "core/base/os_windows.h"

#include "core/base/wide_windows.h"

#include <aclapi.h>
#include <sddl.h>
#include <stdio.h>
#include <string.h>

/* What changes the content, the list or the owner. Attributes and times change nothing of it. */
#define CHANGES                                                                                    \
    (FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER |   \
     GENERIC_WRITE | GENERIC_ALL)

/* What puts another entry in the place of one: making new ones beside it, as everyone may in the
 * root of a drive, does not. */
#define REPLACES (FILE_DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_ALL)

union sid {
    SID sid;
    BYTE bytes[SECURITY_MAX_SID_SIZE];
};

static bool current_user(union sid *out)
{
    union {
        TOKEN_USER user;
        BYTE bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } info;
    HANDLE token;
    DWORD n;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return false;
    bool good = GetTokenInformation(token, TokenUser, &info, sizeof info, &n) &&
                CopySid(sizeof *out, out, info.user.User.Sid);
    CloseHandle(token);
    return good;
}

PSECURITY_DESCRIPTOR os_private_descriptor(bool folder)
{
    union sid user;
    wchar_t *text = NULL, sddl[512];
    PSECURITY_DESCRIPTOR descriptor = NULL;
    const wchar_t *inherit = folder ? L"OICI" : L"";
    if (!current_user(&user) || !ConvertSidToStringSidW(&user, &text))
        return NULL;
    _snwprintf(sddl, 511, L"D:P(A;%ls;FA;;;SY)(A;%ls;FA;;;BA)(A;%ls;FA;;;%ls)", inherit, inherit,
               inherit, text);
    sddl[511] = 0;
    LocalFree(text);
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, &descriptor,
                                                              NULL))
        return NULL;
    return descriptor;
}

static bool is_text_sid(PSID sid, const wchar_t *text)
{
    PSID other = NULL;
    if (!ConvertStringSidToSidW(text, &other))
        return false;
    bool same = EqualSid(sid, other);
    LocalFree(other);
    return same;
}

static bool is_trusted_sid(PSID sid)
{
    union sid user;
    /* The account of the Windows Modules Installer, which owns the system's own files. */
    static const wchar_t installer[] =
        L"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
    return IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
           IsWellKnownSid(sid, WinLocalSystemSid) ||
           (current_user(&user) && EqualSid(sid, &user)) || is_text_sid(sid, installer);
}

/* The account's name, or the number where it has none. */
static void name_of_sid(PSID sid, char *out, size_t cap)
{
    wchar_t name[256], domain[256], *text;
    DWORD n_name = 256, n_domain = 256;
    SID_NAME_USE use;
    char a[3 * 256], b[3 * 256];
    if (LookupAccountSidW(NULL, sid, name, &n_name, domain, &n_domain, &use) &&
        wide_to_utf8(a, sizeof a, domain) && wide_to_utf8(b, sizeof b, name)) {
        snprintf(out, cap, "%s%s%s", a, *a ? "\\" : "", b);
        return;
    }
    snprintf(out, cap, "an unknown account");
    if (ConvertSidToStringSidW(sid, &text)) {
        if (wide_to_utf8(a, sizeof a, text))
            snprintf(out, cap, "%s", a);
        LocalFree(text);
    }
}

/* True unless the entry lets someone in who should not be. */
static bool is_harmless(const ACE_HEADER *header, DWORD changes, char *why, size_t cap)
{
    /* These have one layout; the callback's condition can only narrow what it gives. */
    const ACCESS_ALLOWED_ACE *allowed = (const void *)header;
    char name[256];
    switch (header->AceType) {
    case ACCESS_DENIED_ACE_TYPE:
    case ACCESS_DENIED_OBJECT_ACE_TYPE:
    case ACCESS_DENIED_CALLBACK_ACE_TYPE:
    case ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE:
        return true;
    case ACCESS_ALLOWED_ACE_TYPE:
    case ACCESS_ALLOWED_CALLBACK_ACE_TYPE:
        break;
    default:
        snprintf(why, cap, "its access list has an entry of unknown kind %u", header->AceType);
        return header->AceFlags & INHERIT_ONLY_ACE;
    }
    PSID sid = (PSID)(uintptr_t)&allowed->SidStart;
    if (header->AceFlags & INHERIT_ONLY_ACE || !(allowed->Mask & changes) ||
        is_trusted_sid(sid))
        return true;
    /* Stand-ins: the creator's is never in force, the owner's gives the owner, who is trusted. */
    if (IsWellKnownSid(sid, WinCreatorOwnerSid) || is_text_sid(sid, L"S-1-3-4"))
        return true;
    name_of_sid(sid, name, sizeof name);
    snprintf(why, cap, "%s may change it (access %08lx)", name, (unsigned long)allowed->Mask);
    return false;
}

static bool is_trusted_list(PACL list, DWORD changes, char *why, size_t cap)
{
    if (!list) {
        snprintf(why, cap, "it has no access list, so everyone may change it");
        return false;
    }
    for (DWORD i = 0; i < list->AceCount; i++) {
        void *entry;
        if (!GetAce(list, i, &entry)) {
            snprintf(why, cap, "its access list can't be read");
            return false;
        }
        if (!is_harmless(entry, changes, why, cap))
            return false;
    }
    return true;
}

static bool is_safe_from(const char *path, DWORD changes, char *why, size_t cap)
{
    wchar_t wide[WIDE_PATH_MAX];
    char name[256];
    PSID owner = NULL;
    PACL list = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    HANDLE handle = INVALID_HANDLE_VALUE;
    if (wide_path(wide, path))
        handle = CreateFileW(wide, READ_CONTROL,
                             FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                             OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (handle == INVALID_HANDLE_VALUE ||
        GetSecurityInfo(handle, SE_FILE_OBJECT,
                        OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &owner, NULL, &list,
                        NULL, &descriptor) != ERROR_SUCCESS) {
        if (handle != INVALID_HANDLE_VALUE)
            CloseHandle(handle);
        snprintf(why, cap, "it can't be examined");
        return false;
    }
    CloseHandle(handle);
    bool trusted = owner && is_trusted_sid(owner);
    if (trusted) {
        trusted = is_trusted_list(list, changes, why, cap);
    } else if (owner) {
        name_of_sid(owner, name, sizeof name);
        snprintf(why, cap, "its owner is %s, not the administrators or the current user", name);
    } else {
        snprintf(why, cap, "it has no owner");
    }
    LocalFree(descriptor);
    return trusted;
}

bool os_is_trusted(const char *path, char *why, size_t cap)
{
    return is_safe_from(path, CHANGES, why, cap);
}

/* The folder above; false at the root of a drive or a share. */
static bool step_up(char step[OS_PATH_MAX])
{
    char above[OS_PATH_MAX];
    os_dirname(above, step);
    size_t n = strlen(above);
    if (n == 2 && above[1] == ':')
        memcpy(above + n, "\\", 2); /* without it, the drive itself */
    bool share = above[0] == '\\' && above[1] == '\\';
    if (strlen(above) >= strlen(step) || n < 2 || (share && !strchr(above + 2, '\\')))
        return false;
    memcpy(step, above, strlen(above) + 1);
    return true;
}

/* Libraries lie beside a program: in its own folder nothing new may be made either. */
bool os_is_trusted_path(const char *path, char *why, size_t cap)
{
    char step[OS_PATH_MAX], own[200] = "its path is too long";
    struct ds_error ignored = DS_ERROR_INIT;
    bool trusted = !os_absolute(step, NULL, path, &ignored), more = trusted;
    for (unsigned i = 0; trusted && more; i++) {
        trusted = is_safe_from(step, i < 2 ? CHANGES : REPLACES, own, sizeof own);
        more = trusted && step_up(step);
    }
    if (!trusted)
        snprintf(why, cap, "%.120s: %s", step, own);
    return trusted;
}
