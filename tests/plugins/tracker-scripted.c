/* SPDX-License-Identifier: Apache-2.0 */
/* tracker-scripted.c - a tracker for tests that is told of writes instead of seeing them. The test
 * appends lines to the file `log` whenever it writes to a disk:
 *
 *      write DISK OFFSET LENGTH        DISK: its id, its path, or * for all
 *      lose DISK REASON                from here on writes may have been missed
 *
 * They are taken up at each call, in order; so a line that is written between cut and the first
 * `changes` is marked in both generations, as tracker.h demands. Everything known is in the file
 * `state`, rewritten whole after each change, so that a killed process loses nothing that a real
 * tracker would keep.
 *
 * A consumer's set of one disk: `closing` exists while a cut awaits commit or abort, `running`
 * always. Calls are serial. */
#include "script.h"

#define GRAIN 65536u
#define ID_MAX 4400 /* "image:" and a path */

struct extents {
    struct ds_extent *list;
    size_t n, cap;
};

struct disk {
    char *id, *path;
    uint64_t bytes;
};

struct set { /* of one consumer and disk */
    char *consumer, *disk;
    struct ds_token start, end;
    bool pending, both;               /* both: writes go to closing too */
    bool lost_closing, lost_running;
    char reason[160];
    struct extents closing, running;
};

struct tracker {
    const struct ds_host *host;
    struct script script;
    char *log, *state;
    bool lose;
    uint64_t taken; /* bytes of the log that are marked already */
    struct disk *disks;
    size_t n_disks;
    struct set *sets;
    size_t n_sets;
};

/* ---- extents: ascending, disjoint, whole grains ---- */

static int extents_add(struct extents *x, uint64_t offset, uint64_t length)
{
    uint64_t from = offset / GRAIN * GRAIN;
    uint64_t to = length ? (offset + length + GRAIN - 1) / GRAIN * GRAIN : from;
    if (from == to)
        return 0;
    size_t i = 0;
    while (i < x->n && x->list[i].offset + x->list[i].length < from)
        i++;
    size_t j = i;
    while (j < x->n && x->list[j].offset <= to) {
        uint64_t end = x->list[j].offset + x->list[j].length;
        if (x->list[j].offset < from)
            from = x->list[j].offset;
        if (end > to)
            to = end;
        j++;
    }
    if (i == j && x->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 16;
        struct ds_extent *list = realloc(x->list, cap * sizeof *list);
        if (!list)
            return DS_ENOMEM;
        x->list = list;
        x->cap = cap;
    }
    memmove(x->list + i + 1, x->list + j, (x->n - j) * sizeof *x->list);
    x->n = x->n - j + i + 1;
    x->list[i] = (struct ds_extent){ from, to - from };
    return 0;
}

static uint64_t extents_bytes(const struct extents *x)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < x->n; i++)
        sum += x->list[i].length;
    return sum;
}

static void extents_free(struct extents *x)
{
    free(x->list);
    *x = (struct extents){ 0 };
}

/* ---- what is known ---- */

static struct disk *disk_find(struct tracker *t, const char *id)
{
    for (size_t i = 0; i < t->n_disks; i++)
        if (strcmp(t->disks[i].id, id) == 0)
            return &t->disks[i];
    return NULL;
}

static struct disk *disk_add(struct tracker *t, const char *id, const char *path, uint64_t bytes)
{
    struct disk *disks = realloc(t->disks, (t->n_disks + 1) * sizeof *disks);
    if (!disks)
        return NULL;
    t->disks = disks;
    disks[t->n_disks] = (struct disk){ script_copy(id), script_copy(path), bytes };
    if (!disks[t->n_disks].id || !disks[t->n_disks].path)
        return NULL;
    return &disks[t->n_disks++];
}

static struct set *set_find(struct tracker *t, const char *consumer, const char *disk)
{
    for (size_t i = 0; i < t->n_sets; i++)
        if (strcmp(t->sets[i].consumer, consumer) == 0 && strcmp(t->sets[i].disk, disk) == 0)
            return &t->sets[i];
    return NULL;
}

static struct set *set_add(struct tracker *t, const char *consumer, const char *disk)
{
    struct set *sets = realloc(t->sets, (t->n_sets + 1) * sizeof *sets);
    if (!sets)
        return NULL;
    t->sets = sets;
    sets[t->n_sets] = (struct set){ .consumer = script_copy(consumer), .disk = script_copy(disk) };
    if (!sets[t->n_sets].consumer || !sets[t->n_sets].disk)
        return NULL;
    return &sets[t->n_sets++];
}

static int set_mark(struct set *set, uint64_t offset, uint64_t length)
{
    int rc = extents_add(&set->running, offset, length);
    return rc || !set->both ? rc : extents_add(&set->closing, offset, length);
}

static void set_lose(struct set *set, const char *reason)
{
    set->lost_running = true;
    set->lost_closing |= set->both;
    snprintf(set->reason, sizeof set->reason, "%.150s", reason);
}

/* ---- the state file: lines of words; text as hexadecimal ---- */

static void put_hex(FILE *f, const void *data, size_t n)
{
    const uint8_t *b = data;
    fputc('=', f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%02x", b[i]);
}

static size_t get_hex(const char *word, void *out, size_t cap)
{
    uint8_t *b = out;
    size_t n = 0;
    unsigned v;
    if (*word++ != '=')
        return 0;
    while (n + 1 < cap && word[0] && word[1] && sscanf(word, "%2x", &v) == 1) {
        b[n++] = (uint8_t)v;
        word += 2;
    }
    b[n] = 0;
    return n;
}

static void put_extents(FILE *f, char which, const struct extents *x)
{
    for (size_t i = 0; i < x->n; i++)
        fprintf(f, "%c %llu %llu\n", which, (unsigned long long)x->list[i].offset,
                (unsigned long long)x->list[i].length);
}

static int state_save(struct tracker *t, struct ds_error *err)
{
    char temp[ID_MAX];
    snprintf(temp, sizeof temp, "%s.new", t->state);
    FILE *f = fopen(temp, "wb");
    if (!f)
        return ds_fail(err, DS_EIO, "cannot create %s", temp);
    fprintf(f, "taken %llu\n", (unsigned long long)t->taken);
    for (size_t i = 0; i < t->n_disks; i++) {
        fprintf(f, "disk %llu ", (unsigned long long)t->disks[i].bytes);
        put_hex(f, t->disks[i].id, strlen(t->disks[i].id));
        fputc(' ', f);
        put_hex(f, t->disks[i].path, strlen(t->disks[i].path));
        fputc('\n', f);
    }
    for (size_t i = 0; i < t->n_sets; i++) {
        const struct set *s = &t->sets[i];
        fprintf(f, "set %d %d %d %d ", s->pending, s->both, s->lost_closing, s->lost_running);
        put_hex(f, s->consumer, strlen(s->consumer));
        fputc(' ', f);
        put_hex(f, s->disk, strlen(s->disk));
        fputc(' ', f);
        put_hex(f, s->start.bytes, DS_TOKEN_SIZE);
        fputc(' ', f);
        put_hex(f, s->end.bytes, DS_TOKEN_SIZE);
        fputc(' ', f);
        put_hex(f, s->reason, strlen(s->reason));
        fputc('\n', f);
        put_extents(f, 'c', &s->closing);
        put_extents(f, 'r', &s->running);
    }
    int bad = ferror(f);
    bad |= fclose(f);
    if (!bad && rename(temp, t->state) != 0) {
        remove(t->state); /* rename replaces nothing on some systems */
        bad = rename(temp, t->state);
    }
    return bad ? ds_fail(err, DS_EIO, "cannot write %s", t->state) : DS_OK;
}

static int load_set(struct tracker *t, const char *line)
{
    static char words[5][2 * ID_MAX];
    char consumer[ID_MAX], disk[ID_MAX];
    uint8_t token[DS_TOKEN_SIZE + 1];
    int flag[4];
    if (sscanf(line, "set %d %d %d %d %8799s %8799s %8799s %8799s %8799s", &flag[0], &flag[1],
               &flag[2], &flag[3], words[0], words[1], words[2], words[3], words[4]) != 9)
        return DS_EFORMAT;
    get_hex(words[0], consumer, sizeof consumer);
    get_hex(words[1], disk, sizeof disk);
    struct set *s = set_add(t, consumer, disk);
    if (!s)
        return DS_ENOMEM;
    get_hex(words[2], token, sizeof token);
    memcpy(s->start.bytes, token, DS_TOKEN_SIZE);
    get_hex(words[3], token, sizeof token);
    memcpy(s->end.bytes, token, DS_TOKEN_SIZE);
    get_hex(words[4], s->reason, sizeof s->reason);
    s->pending = flag[0];
    s->both = flag[1];
    s->lost_closing = flag[2];
    s->lost_running = flag[3];
    return DS_OK;
}

static int load_line(struct tracker *t, const char *line)
{
    static char words[2][2 * ID_MAX];
    char id[ID_MAX], path[ID_MAX];
    unsigned long long a, b;
    char which;
    if (sscanf(line, "taken %llu", &a) == 1) {
        t->taken = a;
        return DS_OK;
    }
    if (sscanf(line, "disk %llu %8799s %8799s", &a, words[0], words[1]) == 3) {
        get_hex(words[0], id, sizeof id);
        get_hex(words[1], path, sizeof path);
        return disk_add(t, id, path, a) ? DS_OK : DS_ENOMEM;
    }
    if (strncmp(line, "set ", 4) == 0)
        return load_set(t, line);
    if (t->n_sets && sscanf(line, "%c %llu %llu", &which, &a, &b) == 3) {
        struct set *s = &t->sets[t->n_sets - 1];
        return extents_add(which == 'c' ? &s->closing : &s->running, a, b);
    }
    return DS_EFORMAT;
}

static int state_load(struct tracker *t, struct ds_error *err)
{
    static char line[12 * ID_MAX];
    FILE *f = fopen(t->state, "rb");
    int rc = DS_OK;
    if (!f)
        return DS_OK; /* the first time */
    while (!rc && fgets(line, sizeof line, f))
        rc = load_line(t, line);
    fclose(f);
    return rc ? ds_fail(err, rc, "%s can't be understood", t->state) : DS_OK;
}

/* ---- the log ---- */

static bool disk_is(const struct disk *disk, const char *name)
{
    return strcmp(name, "*") == 0 || strcmp(name, disk->id) == 0 || strcmp(name, disk->path) == 0;
}

static int log_line(struct tracker *t, char *line)
{
    unsigned long long offset = 0, length = 0;
    bool lose = strncmp(line, "lose ", 5) == 0;
    char *name = line + (lose ? 5 : 6), *rest;
    int rc = DS_OK;
    if (!lose && strncmp(line, "write ", 6) != 0)
        return line[0] == '#' || line[0] == 0 ? DS_OK : DS_EFORMAT;
    if (lose) {
        rest = strchr(name, ' ');
    } else { /* an id may have spaces: the numbers are the last two words */
        rest = strrchr(name, ' ');
        for (char *p = rest ? rest - 1 : NULL; p && p > name; p--)
            if (*p == ' ') {
                rest = p;
                break;
            }
        if (!rest || sscanf(rest, " %llu %llu", &offset, &length) != 2)
            return DS_EFORMAT;
    }
    if (rest)
        *rest++ = 0;
    for (size_t i = 0; i < t->n_sets && !rc; i++) {
        struct disk *disk = disk_find(t, t->sets[i].disk);
        if (!disk || !disk_is(disk, name))
            continue;
        if (lose)
            set_lose(&t->sets[i], rest ? rest : "scripted");
        else
            rc = set_mark(&t->sets[i], offset, length);
    }
    return rc;
}

/* Takes up the lines that were added; a line without its end is left for the next time. */
static int log_take(struct tracker *t, struct ds_error *err)
{
    static char line[ID_MAX + 64];
    FILE *f = fopen(t->log, "rb");
    int rc = DS_OK;
    if (!f)
        return DS_OK; /* nothing was written yet */
    if (fseek(f, (long)t->taken, SEEK_SET) != 0)
        rc = ds_fail(err, DS_EIO, "cannot read %s", t->log);
    while (!rc && fgets(line, sizeof line, f)) {
        size_t n = strlen(line);
        if (line[n - 1] != '\n')
            break;
        t->taken += n;
        line[strcspn(line, "\r\n")] = 0;
        if (log_line(t, line))
            rc = ds_fail(err, DS_EFORMAT, "%s: can't be understood: %.100s", t->log, line);
    }
    fclose(f);
    return rc;
}

/* ---- operations ---- */

static int tracker_probe(void *self, const struct ds_disk *disk, uint32_t *score,
                         struct ds_call *call)
{
    struct tracker *t = self;
    int rc = script_step(&t->script, "probe", "before", call);
    (void)disk;
    if (!rc)
        rc = script_step(&t->script, "probe", "after", call);
    *score = rc ? 0 : 100;
    return rc;
}

/* What a disk of another size means for its sets. */
static int resize(struct tracker *t, struct disk *known, uint64_t bytes, struct ds_call *call)
{
    for (size_t i = 0; i < t->n_sets; i++) {
        if (strcmp(t->sets[i].disk, known->id) != 0)
            continue;
        if (bytes < known->bytes)
            set_lose(&t->sets[i], "the disk shrank");
        else if (set_mark(&t->sets[i], known->bytes, bytes - known->bytes))
            return ds_fail(call->err, DS_ENOMEM, "no memory for marks");
    }
    known->bytes = bytes;
    return DS_OK;
}

static int tracker_attach(void *self, const struct ds_disk *disk, struct ds_call *call)
{
    struct tracker *t = self;
    struct disk *known = disk_find(t, disk->id);
    int rc = script_step(&t->script, "attach", "before", call);
    if (!rc)
        rc = log_take(t, call->err);
    if (!rc && !known && !disk_add(t, disk->id, disk->path, disk->bytes))
        rc = ds_fail(call->err, DS_ENOMEM, "no memory for a disk");
    if (!rc && known && known->bytes != disk->bytes)
        rc = resize(t, known, disk->bytes, call);
    if (!rc)
        rc = state_save(t, call->err);
    return rc ? rc : script_step(&t->script, "attach", "after", call);
}

static void set_clear(struct set *set)
{
    free(set->consumer);
    free(set->disk);
    extents_free(&set->closing);
    extents_free(&set->running);
}

static int tracker_detach(void *self, const char *disk_id, struct ds_call *call)
{
    struct tracker *t = self;
    int rc = script_step(&t->script, "detach", "before", call);
    if (rc)
        return rc;
    for (size_t i = t->n_sets; i-- > 0;) {
        if (strcmp(t->sets[i].disk, disk_id) != 0)
            continue;
        set_clear(&t->sets[i]);
        t->sets[i] = t->sets[--t->n_sets];
    }
    struct disk *disk = disk_find(t, disk_id);
    if (disk) {
        free(disk->id);
        free(disk->path);
        *disk = t->disks[--t->n_disks];
    }
    rc = state_save(t, call->err);
    return rc ? rc : script_step(&t->script, "detach", "after", call);
}

/* First whether all can be cut, then all of them. */
static int cut_check(struct tracker *t, const char *consumer, const struct ds_disk *const *disks,
                     uint32_t n, struct ds_call *call)
{
    for (uint32_t i = 0; i < n; i++) {
        struct set *set = set_find(t, consumer, disks[i]->id);
        if (!disk_find(t, disks[i]->id))
            return ds_fail(call->err, DS_ENOENT, "%s is not attached", disks[i]->path);
        if (set && set->pending)
            return ds_fail(call->err, DS_EBUSY, "a cut of %s awaits commit or abort",
                           disks[i]->path);
        if (!set && !set_add(t, consumer, disks[i]->id))
            return ds_fail(call->err, DS_ENOMEM, "no memory for a generation");
    }
    return DS_OK;
}

static int tracker_cut(void *self, const char *consumer, const struct ds_disk *const *disks,
                       uint32_t n, struct ds_call *call)
{
    struct tracker *t = self;
    int rc = script_step(&t->script, "cut", "before", call);
    if (!rc)
        rc = log_take(t, call->err);
    if (!rc)
        rc = cut_check(t, consumer, disks, n, call);
    for (uint32_t i = 0; i < n && !rc; i++) {
        struct set *set = set_find(t, consumer, disks[i]->id);
        struct extents spare = set->closing;
        if (t->lose)
            set_lose(set, "scripted");
        if (t->host->random(t->host->ctx, set->end.bytes, DS_TOKEN_SIZE))
            return ds_fail(call->err, DS_EIO, "no random numbers for a token");
        set->closing = set->running;
        set->running = spare;
        set->running.n = 0;
        set->lost_closing = set->lost_running;
        set->lost_running = false;
        set->pending = set->both = true;
    }
    if (!rc)
        rc = state_save(t, call->err);
    return rc ? rc : script_step(&t->script, "cut", "after", call);
}

static int tracker_generation(void *self, const char *consumer, const char *disk_id,
                              struct ds_generation *out, struct ds_call *call)
{
    struct tracker *t = self;
    struct ds_generation g = { .size = out->size, .granularity = GRAIN };
    int rc = script_step(&t->script, "generation", "before", call);
    if (!rc)
        rc = log_take(t, call->err);
    struct set *set = set_find(t, consumer, disk_id);
    if (!rc && !disk_find(t, disk_id))
        rc = ds_fail(call->err, DS_ENOENT, "%s is not attached", disk_id);
    if (rc)
        return rc;
    if (set) {
        bool lost = set->pending ? set->lost_closing : set->lost_running;
        g.state = lost ? DS_GENERATION_LOST
                       : set->pending ? DS_GENERATION_CUT : DS_GENERATION_NONE;
        g.start = set->start;
        g.pending = set->pending;
        if (set->pending)
            g.end = set->end;
        g.changed_bytes = extents_bytes(set->pending ? &set->closing : &set->running);
        if (lost)
            memcpy(g.reason, set->reason, sizeof g.reason);
    }
    memcpy(out, &g, out->size < sizeof g ? out->size : sizeof g);
    rc = state_save(t, call->err);
    return rc ? rc : script_step(&t->script, "generation", "after", call);
}

static int walk(const struct extents *x, struct ds_window window, ds_extent_fn *fn, void *ud)
{
    int rc = 0;
    for (size_t i = 0; i < x->n && !rc; i++) {
        uint64_t from = x->list[i].offset, to = from + x->list[i].length;
        if (from < window.from)
            from = window.from;
        if (to > window.to)
            to = window.to;
        if (from < to) {
            struct ds_extent e = { from, to - from };
            rc = fn(ud, &e, 1);
        }
    }
    return rc;
}

static int tracker_changes(void *self, const char *consumer, const char *disk_id,
                           struct ds_window window, ds_extent_fn *fn, void *ud,
                           struct ds_call *call)
{
    struct tracker *t = self;
    struct set *set = set_find(t, consumer, disk_id);
    struct disk *disk = disk_find(t, disk_id);
    int rc = script_step(&t->script, "changes", "before", call);
    if (rc)
        return rc;
    if (!set || !disk || !set->pending)
        return ds_fail(call->err, DS_EINVAL, "changes of %s were asked for without a cut", disk_id);
    rc = log_take(t, call->err);
    set->both = false;
    if (!rc)
        rc = state_save(t, call->err);
    if (window.to > disk->bytes)
        window.to = disk->bytes;
    if (!rc)
        rc = walk(&set->closing, window, fn, ud);
    return rc ? rc : script_step(&t->script, "changes", "after", call);
}

static int tracker_commit(void *self, const char *consumer, const char *disk_id,
                          const struct ds_token *token, struct ds_call *call)
{
    struct tracker *t = self;
    int rc = script_step(&t->script, "commit", "before", call);
    if (!rc)
        rc = log_take(t, call->err);
    struct set *set = set_find(t, consumer, disk_id);
    if (!rc && set && set->pending && ds_token_equal(&set->end, token)) {
        set->closing.n = 0;
        set->start = set->end;
        set->pending = set->both = set->lost_closing = false;
    }
    if (!rc)
        rc = state_save(t, call->err);
    return rc ? rc : script_step(&t->script, "commit", "after", call);
}

static int tracker_abort(void *self, const char *consumer, const char *disk_id,
                         const struct ds_token *token, struct ds_call *call)
{
    struct tracker *t = self;
    int rc = script_step(&t->script, "abort", "before", call);
    if (!rc)
        rc = log_take(t, call->err);
    struct set *set = set_find(t, consumer, disk_id);
    if (!rc && set && set->pending && ds_token_equal(&set->end, token)) {
        for (size_t i = 0; i < set->closing.n && !rc; i++)
            rc = extents_add(&set->running, set->closing.list[i].offset,
                             set->closing.list[i].length);
        if (rc)
            return ds_fail(call->err, rc, "no memory for marks");
        set->closing.n = 0;
        set->lost_running |= set->lost_closing;
        set->pending = set->both = set->lost_closing = false;
    }
    if (!rc)
        rc = state_save(t, call->err);
    return rc ? rc : script_step(&t->script, "abort", "after", call);
}

static int tracker_mark(void *self, const char *consumer, const char *disk_id,
                        const struct ds_extent *extents, size_t n, struct ds_call *call)
{
    struct tracker *t = self;
    int rc = script_step(&t->script, "mark", "before", call);
    if (!rc)
        rc = log_take(t, call->err);
    struct set *set = set_find(t, consumer, disk_id);
    if (!rc && !set)
        rc = ds_fail(call->err, DS_ENOENT, "%s has no generation to mark in", disk_id);
    const struct disk *disk = disk_find(t, disk_id);
    for (size_t i = 0; i < n && !rc; i++) /* as strict as a tracker whose bitmap ends there */
        if (disk && extents[i].offset + extents[i].length > disk->bytes)
            rc = ds_fail(call->err, DS_EINVAL, "a mark beyond the end of %s", disk_id);
        else if (extents_add(&set->running, extents[i].offset, extents[i].length))
            rc = ds_fail(call->err, DS_ENOMEM, "no memory for marks");
    if (!rc)
        rc = state_save(t, call->err);
    return rc ? rc : script_step(&t->script, "mark", "after", call);
}

/* ---- life ---- */

static void tracker_close(void *self)
{
    struct tracker *t = self;
    script_step(&t->script, "close", "before", NULL);
    script_step(&t->script, "close", "after", NULL);
    for (size_t i = 0; i < t->n_disks; i++) {
        free(t->disks[i].id);
        free(t->disks[i].path);
    }
    for (size_t i = 0; i < t->n_sets; i++)
        set_clear(&t->sets[i]);
    free(t->disks);
    free(t->sets);
    free(t->log);
    free(t->state);
    script_close(&t->script);
    free(t);
}

static int tracker_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                        struct ds_call *call)
{
    struct tracker *t = calloc(1, sizeof *t);
    if (!t)
        return ds_fail(call->err, DS_ENOMEM, "no memory for the tracker");
    *self = t;
    t->host = host;
    t->log = script_copy(ds_kv_get(kv, n, "log", ""));
    t->state = script_copy(ds_kv_get(kv, n, "state", ""));
    t->lose = strcmp(ds_kv_get(kv, n, "lose", "false"), "true") == 0;
    int rc = script_open(&t->script, "tracker-scripted", kv, n, call->err);
    if (!rc)
        rc = script_step(&t->script, "open", "before", call);
    if (rc)
        return rc;
    if (!t->log || !t->state)
        return ds_fail(call->err, DS_ENOMEM, "no memory for the tracker");
    if (!*t->log || !*t->state)
        return ds_fail(call->err, DS_EINVAL, "tracker-scripted wants log and state");
    rc = state_load(t, call->err);
    return rc ? rc : script_step(&t->script, "open", "after", call);
}

static const struct ds_option options[] = {
    { .name = "log", .type = DS_OPT_PATH, .flags = DS_OPTF_REQUIRED,
      .help = "text file of writes: \"write DISK OFFSET LENGTH\", \"lose DISK REASON\"" },
    { .name = "state", .type = DS_OPT_PATH, .flags = DS_OPTF_REQUIRED,
      .help = "file that keeps what is known between processes" },
    { .name = "lose", .type = DS_OPT_BOOL, .def = "false",
      .help = "say LOST of every generation that a cut closes" },
    SCRIPT_OPTIONS,
};
static const struct ds_tracker_ops ops = {
    .size = sizeof ops,
    .probe = tracker_probe,
    .attach = tracker_attach,
    .detach = tracker_detach,
    .cut = tracker_cut,
    .generation = tracker_generation,
    .changes = tracker_changes,
    .commit = tracker_commit,
    .abort = tracker_abort,
    .mark = tracker_mark,
};
static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_TRACKER,
    .threads = DS_THREADS_SERIAL,
    .caps = DS_CAP_SCRIPTED,
    .name = "tracker-scripted",
    .version = "1",
    .summary = "for tests: a tracker that is told of writes by a file",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
    .open = tracker_open,
    .close = tracker_close,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
