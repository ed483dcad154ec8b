/* SPDX-License-Identifier: Apache-2.0 */
/* access_windows.c - see access.h: the file's access list, searched for entries that let one of the
 * large well-known groups read. No list at all lets everyone do everything. */
#include "core/policy/access.h"

#include "core/base/wide_windows.h"

#include <aclapi.h>
#include <stdio.h>

static bool names_group(PSID sid, WELL_KNOWN_SID_TYPE type)
{
    return IsWellKnownSid(sid, type) != 0;
}

/* The name of the group that this entry lets read, or NULL. */
static const char *who_reads(ACL *acl, DWORD index)
{
    static const struct {
        WELL_KNOWN_SID_TYPE type;
        const char *name;
    } groups[] = {
        { WinWorldSid, "Everyone" },
        { WinAuthenticatedUserSid, "Authenticated Users" },
        { WinBuiltinUsersSid, "Users" },
        { WinBuiltinGuestsSid, "Guests" },
        { WinInteractiveSid, "Interactive" },
    };
    ACCESS_ALLOWED_ACE *ace;
    if (!GetAce(acl, index, (void **)&ace) || ace->Header.AceType != ACCESS_ALLOWED_ACE_TYPE ||
        (ace->Header.AceFlags & INHERIT_ONLY_ACE) ||
        !(ace->Mask & (FILE_READ_DATA | GENERIC_READ | GENERIC_ALL)))
        return NULL;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (names_group((PSID)&ace->SidStart, groups[i].type))
            return groups[i].name;
    return NULL;
}

bool access_is_open(const char *path, char *why, size_t cap)
{
    static const char everyone[] = "Everyone";
    wchar_t wide[WIDE_PATH_MAX];
    PSECURITY_DESCRIPTOR descriptor = NULL;
    ACL *acl = NULL;
    const char *who = NULL;
    if (!wide_path(wide, path))
        return false;
    if (GetNamedSecurityInfoW(wide, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL, &acl,
                              NULL, &descriptor) != ERROR_SUCCESS)
        return false;
    if (!acl)
        who = everyone;
    for (DWORD i = 0; acl && !who && i < acl->AceCount; i++)
        who = who_reads(acl, i);
    LocalFree(descriptor);
    if (who)
        snprintf(why, cap, "%s may read it", who);
    return who != NULL;
}
