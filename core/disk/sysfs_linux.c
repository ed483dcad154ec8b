/* SPDX-License-Identifier: Apache-2.0 */
/* sysfs_linux.c - see sysfs_linux.h. Attributes are small files of one line; what can't be read is
 * absent. */
#include "core/disk/sysfs_linux.h"

#include "core/base/text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool sysfs_text(const char *folder, const char *name, char *out, size_t cap)
{
    char path[PATH_MAX], line[PATH_MAX];
    out[0] = 0;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    if (n <= 0)
        return false;
    line[n] = 0;
    line[strcspn(line, "\n")] = 0;
    char *start = line + strspn(line, " \t");
    size_t len = strlen(start);
    while (len && (start[len - 1] == ' ' || start[len - 1] == '\t'))
        start[--len] = 0;
    text_copy(out, cap, start);
    return len > 0;
}

uint64_t sysfs_u64(const char *folder, const char *name)
{
    char text[32];
    uint64_t value;
    return sysfs_text(folder, name, text, sizeof text) &&
                   text_parse_u64(&value, text, UINT64_MAX)
               ? value
               : 0;
}

bool sysfs_has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
           access(path, F_OK) == 0;
}

void sysfs_folder(char *out, size_t cap, dev_t dev)
{
    snprintf(out, cap, "/sys/dev/block/%u:%u", major(dev), minor(dev));
}

bool sysfs_dev(const char *folder, dev_t *dev)
{
    char text[32];
    unsigned major_no, minor_no;
    if (!sysfs_text(folder, "dev", text, sizeof text) ||
        sscanf(text, "%u:%u", &major_no, &minor_no) != 2)
        return false;
    *dev = makedev(major_no, minor_no);
    return true;
}

bool sysfs_name(dev_t dev, char *out, size_t cap)
{
    char folder[64], target[PATH_MAX];
    sysfs_folder(folder, sizeof folder, dev);
    ssize_t n = readlink(folder, target, sizeof target - 1);
    if (n <= 0)
        return false;
    target[n] = 0;
    char *slash = strrchr(target, '/');
    return text_copy(out, cap, slash ? slash + 1 : target);
}
