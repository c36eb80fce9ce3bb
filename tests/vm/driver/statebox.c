// SPDX-License-Identifier: GPL-2.0
/*
 * statebox: a mediated device that is nothing but state, for tests of migration.
 *
 * Its state is of any size, stands in kernel memory, and moves through the VFIO migration uAPI as a
 * real driver's does: pre-copy with blocks that become dirty again, chunked reads, a state that is
 * checked when RESUMING ends, reset. What goes wrong on request is set by attributes in the
 * device's folder in sysfs, under statebox/:
 *
 *   size          bytes of state; writing allocates it anew, zeroed
 *   seed          fills the state with numbers that depend on this one
 *   digest        CRC-32 of the state
 *   touch         that many blocks, from the first one on, get new content and are dirty
 *   chunk         one read or write moves at most so many bytes; 0 is no limit
 *   delay_us      each read or write takes so long
 *   step_ms       each transition takes so long
 *   offers        "p2p pre-copy reset", those of them that the device has
 *   fail          "STATE ERRNO LEFT": the next transition to STATE fails with ERRNO and leaves the
 *                 device in LEFT (numbers of enum vfio_device_mig_state), or where it was (-1)
 *   fail_read     "OFFSET ERRNO": reading fails once so many bytes of the session have been given
 *   dma           pretends that the device wrote to that I/O address
 *
 * The stream is a row of records: magic, length, offset in the state, bytes. A record of length 0
 * at the state's size ends it.
 */
#include <linux/anon_inodes.h>
#include <linux/bitmap.h>
#include <linux/crc32.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/kref.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vmalloc.h>

#define BLOCK_BYTES 65536UL
#define RECORD_MAGIC 0x786f6265U
#define CONFIG_BYTES PCI_CFG_SPACE_SIZE
#define REGION_SHIFT 40
#define DMA_WRITES_MAX 16

struct record {
    u32 magic;
    u32 length;
    u64 offset;
};

struct statebox;

/* One data file. The device and the file each hold a reference; `box` is NULL once the session that
 * the file belongs to is over. */
struct session {
    struct kref refs;
    struct mutex lock;
    struct statebox *box;
    struct record current_record;
    size_t in_record; /* Bytes of header and content that have passed. */
    bool ended;       /* The last record has begun to pass. */
    bool broken;      /* What was written is no record. */
    u64 passed;       /* Bytes of the session. */
};

struct statebox {
    struct vfio_device vdev;
    struct mutex lock; /* Guards state, session and the size of content. */
    enum vfio_device_mig_state state;
    struct session *session;
    u8 *content;
    size_t size;
    unsigned long blocks;
    unsigned long *dirty; /* Blocks that a source must still give. */
    unsigned long *fresh; /* Those of them that it has never given in this session. */
    u8 config[CONFIG_BYTES];
    bool has_reset;
    size_t chunk;
    unsigned int delay_us;
    unsigned int step_ms;
    int fail_state, fail_errno, fail_left;
    u64 fail_read_at;
    int fail_read_errno;
    bool logging;
    unsigned long dma[DMA_WRITES_MAX];
    unsigned int dma_count;
};

static struct statebox *box_of(struct vfio_device *vdev)
{
    return container_of(vdev, struct statebox, vdev);
}

static void free_session(struct kref *refs)
{
    struct session *session = container_of(refs, struct session, refs);

    mutex_destroy(&session->lock);
    kfree(session);
}

static void end_session(struct statebox *box)
{
    struct session *session = box->session;

    if (!session)
        return;
    mutex_lock(&session->lock);
    session->box = NULL;
    mutex_unlock(&session->lock);
    box->session = NULL;
    kref_put(&session->refs, free_session);
}

static size_t block_length(const struct statebox *box, unsigned long block)
{
    return min_t(size_t, BLOCK_BYTES, box->size - block * BLOCK_BYTES);
}

static bool pre_copies(enum vfio_device_mig_state state)
{
    return state == VFIO_DEVICE_STATE_PRE_COPY || state == VFIO_DEVICE_STATE_PRE_COPY_P2P;
}

/* Makes the next record the current one; false when there is none for now. */
static bool next_record(struct session *session)
{
    struct statebox *box = session->box;
    unsigned long block = find_first_bit(box->dirty, box->blocks);

    if (session->ended)
        return false;
    if (block >= box->blocks) {
        if (pre_copies(READ_ONCE(box->state)))
            return false;
        session->ended = true;
        session->current_record = (struct record){ RECORD_MAGIC, 0, box->size };
    } else {
        clear_bit(block, box->dirty);
        clear_bit(block, box->fresh);
        session->current_record =
            (struct record){ RECORD_MAGIC, block_length(box, block), block * BLOCK_BYTES };
    }
    session->in_record = 0;
    return true;
}

static bool record_is_done(const struct session *session)
{
    return session->current_record.magic == 0 ||
           session->in_record == sizeof(struct record) + session->current_record.length;
}

/* Where the current record stands: the bytes that follow, and how many of them in one piece. */
static u8 *record_piece(struct session *session, size_t *length)
{
    if (session->in_record < sizeof(struct record)) {
        *length = sizeof(struct record) - session->in_record;
        return (u8 *)&session->current_record + session->in_record;
    }
    *length = session->current_record.length + sizeof(struct record) - session->in_record;
    return session->box->content + session->current_record.offset +
           (session->in_record - sizeof(struct record));
}

static size_t limit_call(const struct statebox *box, size_t count)
{
    return box->chunk ? min(count, box->chunk) : count;
}

static void pass_time(struct session *session)
{
    unsigned int delay_us;

    mutex_lock(&session->lock);
    delay_us = session->box ? session->box->delay_us : 0;
    mutex_unlock(&session->lock);
    if (delay_us)
        usleep_range(delay_us, delay_us + delay_us / 8 + 1);
}

static ssize_t save_read(struct file *file, char __user *buffer, size_t count, loff_t *position)
{
    struct session *session = file->private_data;
    ssize_t done = 0;

    pass_time(session);
    mutex_lock(&session->lock);
    if (!session->box) {
        done = -ENODEV;
        goto out;
    }
    count = limit_call(session->box, count);
    if (session->box->fail_read_errno && session->passed >= session->box->fail_read_at) {
        done = -session->box->fail_read_errno;
        goto out;
    }
    while (done < count) {
        size_t length;
        u8 *piece;

        if (record_is_done(session) && !next_record(session))
            break;
        piece = record_piece(session, &length);
        length = min_t(size_t, length, count - done);
        if (copy_to_user(buffer + done, piece, length)) {
            done = -EFAULT;
            goto out;
        }
        session->in_record += length;
        session->passed += length;
        done += length;
    }
    if (done == 0 && !session->ended)
        done = -ENOMSG;
out:
    mutex_unlock(&session->lock);
    return done;
}

static long save_ioctl(struct file *file, unsigned int request, unsigned long argument)
{
    struct session *session = file->private_data;
    struct vfio_precopy_info info;
    const unsigned long least = offsetofend(struct vfio_precopy_info, dirty_bytes);
    const u64 record_bytes = BLOCK_BYTES + sizeof(struct record);
    struct statebox *box;
    long result = 0;

    if (request != VFIO_MIG_GET_PRECOPY_INFO)
        return -ENOTTY;
    if (copy_from_user(&info, (void __user *)argument, least))
        return -EFAULT;
    if (info.argsz < least)
        return -EINVAL;
    mutex_lock(&session->lock);
    box = session->box;
    if (!box || !pre_copies(READ_ONCE(box->state))) {
        result = -EINVAL;
    } else {
        const u64 fresh = bitmap_weight(box->fresh, box->blocks);
        const u64 dirty = bitmap_weight(box->dirty, box->blocks);

        info.flags = 0;
        info.initial_bytes = fresh * record_bytes;
        info.dirty_bytes = (dirty - min(fresh, dirty)) * record_bytes;
    }
    mutex_unlock(&session->lock);
    if (!result && copy_to_user((void __user *)argument, &info, least))
        result = -EFAULT;
    return result;
}

/* The header of the current record is complete: is it one of ours? */
static int check_record(const struct session *session)
{
    const struct record *record = &session->current_record;
    const struct statebox *box = session->box;

    if (record->magic != RECORD_MAGIC || record->offset > box->size ||
        record->length > box->size - record->offset)
        return -EINVAL;
    if (record->length == 0 && record->offset != box->size)
        return -EINVAL;
    return 0;
}

static ssize_t load_write(struct file *file, const char __user *buffer, size_t count,
                          loff_t *position)
{
    struct session *session = file->private_data;
    ssize_t done = 0;

    pass_time(session);
    mutex_lock(&session->lock);
    if (!session->box) {
        done = -ENODEV;
        goto out;
    }
    count = limit_call(session->box, count);
    while (done < count) {
        const bool begins = record_is_done(session);
        size_t length;
        u8 *piece;
        int error;

        if (session->broken || (begins && session->ended)) {
            done = -EINVAL;
            goto out;
        }
        if (begins)
            session->in_record = 0;
        if (begins)
            session->current_record = (struct record){ 1, 0, 0 };
        piece = record_piece(session, &length);
        length = min_t(size_t, length, count - done);
        if (copy_from_user(piece, buffer + done, length)) {
            done = -EFAULT;
            goto out;
        }
        session->in_record += length;
        session->passed += length;
        done += length;
        if (session->in_record != sizeof(struct record))
            continue;
        error = check_record(session);
        if (error) {
            session->broken = true;
            done = error;
            goto out;
        }
        session->ended = session->current_record.length == 0;
    }
out:
    mutex_unlock(&session->lock);
    return done;
}

static int release_file(struct inode *inode, struct file *file)
{
    struct session *session = file->private_data;

    kref_put(&session->refs, free_session);
    return 0;
}

static const struct file_operations save_operations = {
    .owner = THIS_MODULE,
    .read = save_read,
    .unlocked_ioctl = save_ioctl,
    .release = release_file,
};

static const struct file_operations load_operations = {
    .owner = THIS_MODULE,
    .write = load_write,
    .release = release_file,
};

static struct file *begin_session(struct statebox *box, bool saving)
{
    struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);
    struct file *file;

    if (!session)
        return ERR_PTR(-ENOMEM);
    kref_init(&session->refs);
    mutex_init(&session->lock);
    session->box = box;
    file = anon_inode_getfile("statebox", saving ? &save_operations : &load_operations, session,
                              saving ? O_RDONLY : O_WRONLY);
    if (IS_ERR(file)) {
        kref_put(&session->refs, free_session);
        return file;
    }
    stream_open(file_inode(file), file);
    kref_get(&session->refs);
    box->session = session;
    bitmap_fill(box->dirty, box->blocks);
    bitmap_fill(box->fresh, box->blocks);
    return file;
}

static bool is_complete(struct statebox *box)
{
    struct session *session = box->session;
    bool complete;

    mutex_lock(&session->lock);
    complete = !session->broken && session->ended && record_is_done(session);
    mutex_unlock(&session->lock);
    return complete;
}

/* One arc. Gives the file that a new session is read or written by, or NULL. */
static struct file *take_arc(struct statebox *box, enum vfio_device_mig_state target)
{
    const enum vfio_device_mig_state from = box->state;
    const bool was_saving = pre_copies(from) || from == VFIO_DEVICE_STATE_STOP_COPY;
    const bool saves = pre_copies(target) || target == VFIO_DEVICE_STATE_STOP_COPY;
    struct file *file = NULL;

    if (box->step_ms)
        msleep(box->step_ms);
    if (box->fail_errno && box->fail_state == target) {
        const int error = box->fail_errno;

        box->fail_errno = 0;
        if (box->fail_left >= 0) {
            end_session(box);
            box->state = box->fail_left;
        }
        return ERR_PTR(-error);
    }
    if (from == VFIO_DEVICE_STATE_RESUMING && !is_complete(box))
        return ERR_PTR(-EINVAL);
    if ((was_saving && !saves) || from == VFIO_DEVICE_STATE_RESUMING)
        end_session(box);
    if (saves && !was_saving)
        file = begin_session(box, true);
    else if (target == VFIO_DEVICE_STATE_RESUMING)
        file = begin_session(box, false);
    if (!IS_ERR(file))
        WRITE_ONCE(box->state, target);
    return file;
}

static struct file *set_state(struct vfio_device *vdev, enum vfio_device_mig_state target)
{
    struct statebox *box = box_of(vdev);
    struct file *file = NULL;

    mutex_lock(&box->lock);
    while (box->state != target && !IS_ERR(file)) {
        enum vfio_device_mig_state next;
        const int error = vfio_mig_get_next_state(vdev, box->state, target, &next);

        if (file)
            fput(file);
        file = error ? ERR_PTR(error) : take_arc(box, next);
    }
    mutex_unlock(&box->lock);
    return file;
}

static int get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
    struct statebox *box = box_of(vdev);

    mutex_lock(&box->lock);
    *state = box->state;
    mutex_unlock(&box->lock);
    return 0;
}

static int get_data_size(struct vfio_device *vdev, unsigned long *length)
{
    struct statebox *box = box_of(vdev);
    unsigned long blocks;

    mutex_lock(&box->lock);
    blocks = box->session ? bitmap_weight(box->dirty, box->blocks) : box->blocks;
    *length = blocks * (BLOCK_BYTES + sizeof(struct record)) + sizeof(struct record);
    mutex_unlock(&box->lock);
    return 0;
}

static const struct vfio_migration_ops migration_operations = {
    .migration_set_state = set_state,
    .migration_get_state = get_state,
    .migration_get_data_size = get_data_size,
};

static int log_start(struct vfio_device *vdev, struct rb_root_cached *ranges, u32 count,
                     u64 *page_size)
{
    struct statebox *box = box_of(vdev);
    int error = 0;

    mutex_lock(&box->lock);
    if (box->logging)
        error = -EBUSY;
    box->logging = true;
    mutex_unlock(&box->lock);
    return error;
}

static int log_stop(struct vfio_device *vdev)
{
    struct statebox *box = box_of(vdev);
    int error = 0;

    mutex_lock(&box->lock);
    if (!box->logging)
        error = -EINVAL;
    box->logging = false;
    mutex_unlock(&box->lock);
    return error;
}

static int log_read_and_clear(struct vfio_device *vdev, unsigned long iova, unsigned long length,
                              struct iova_bitmap *dirty)
{
    struct statebox *box = box_of(vdev);
    unsigned int kept = 0, i;
    int error = 0;

    mutex_lock(&box->lock);
    if (!box->logging)
        error = -EINVAL;
    for (i = 0; !error && i < box->dma_count; i++) {
        if (box->dma[i] >= iova && box->dma[i] - iova < length)
            iova_bitmap_set(dirty, box->dma[i], 1);
        else
            box->dma[kept++] = box->dma[i];
    }
    if (!error)
        box->dma_count = kept;
    mutex_unlock(&box->lock);
    return error;
}

static const struct vfio_log_ops log_operations = {
    .log_start = log_start,
    .log_stop = log_stop,
    .log_read_and_clear = log_read_and_clear,
};

static int resize(struct statebox *box, size_t size)
{
    const unsigned long blocks = DIV_ROUND_UP(size, BLOCK_BYTES);
    u8 *content = vzalloc(size);
    unsigned long *dirty = bitmap_zalloc(blocks, GFP_KERNEL);
    unsigned long *fresh = bitmap_zalloc(blocks, GFP_KERNEL);

    if (!content || !dirty || !fresh) {
        vfree(content);
        bitmap_free(dirty);
        bitmap_free(fresh);
        return -ENOMEM;
    }
    vfree(box->content);
    bitmap_free(box->dirty);
    bitmap_free(box->fresh);
    box->content = content;
    box->dirty = dirty;
    box->fresh = fresh;
    box->size = size;
    box->blocks = blocks;
    return 0;
}

/* Numbers that no compressor gains anything on. */
static void fill(u8 *target, size_t length, u64 seed)
{
    u64 number = seed * 0x9e3779b97f4a7c15ULL + 1;
    size_t i;

    for (i = 0; i < length; i++) {
        if (i % 8 == 0) {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
        }
        target[i] = number >> (i % 8 * 8);
    }
}

/* Attributes. A device is changed by them between migrations, or by `touch` and `fail` during one. */

static struct statebox *box_of_dev(struct device *dev)
{
    return dev_get_drvdata(dev);
}

static ssize_t digest_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    struct statebox *box = box_of_dev(dev);
    u32 digest;

    mutex_lock(&box->lock);
    digest = crc32_le(~0U, box->content, box->size);
    mutex_unlock(&box->lock);
    return sysfs_emit(text, "%08x\n", digest);
}
static DEVICE_ATTR_RO(digest);

static ssize_t size_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    return sysfs_emit(text, "%zu\n", box_of_dev(dev)->size);
}

static ssize_t size_store(struct device *dev, struct device_attribute *attribute, const char *text,
                          size_t count)
{
    struct statebox *box = box_of_dev(dev);
    unsigned long size;
    int error = kstrtoul(text, 0, &size);

    if (!error && size == 0)
        error = -EINVAL;
    mutex_lock(&box->lock);
    if (!error)
        error = box->session ? -EBUSY : resize(box, size);
    mutex_unlock(&box->lock);
    return error ? error : count;
}
static DEVICE_ATTR_RW(size);

static ssize_t seed_store(struct device *dev, struct device_attribute *attribute, const char *text,
                          size_t count)
{
    struct statebox *box = box_of_dev(dev);
    u64 seed;
    const int error = kstrtou64(text, 0, &seed);

    if (error)
        return error;
    mutex_lock(&box->lock);
    fill(box->content, box->size, seed);
    mutex_unlock(&box->lock);
    return count;
}
static DEVICE_ATTR_WO(seed);

static ssize_t touch_store(struct device *dev, struct device_attribute *attribute,
                           const char *text, size_t count)
{
    struct statebox *box = box_of_dev(dev);
    unsigned long touched, block;
    const int error = kstrtoul(text, 0, &touched);

    if (error)
        return error;
    mutex_lock(&box->lock);
    if (box->state != VFIO_DEVICE_STATE_RUNNING && !pre_copies(box->state))
        count = -EBUSY;
    for (block = 0; (ssize_t)count > 0 && block < min(touched, box->blocks); block++) {
        fill(box->content + block * BLOCK_BYTES, block_length(box, block), ~block);
        set_bit(block, box->dirty);
    }
    mutex_unlock(&box->lock);
    return count;
}
static DEVICE_ATTR_WO(touch);

#define NUMBER_ATTRIBUTE(name, parse)                                                              \
    static ssize_t name##_store(struct device *dev, struct device_attribute *attribute,            \
                                const char *text, size_t count)                                    \
    {                                                                                              \
        const int error = parse(text, 0, &box_of_dev(dev)->name);                                  \
                                                                                                   \
        return error ? error : count;                                                              \
    }                                                                                              \
    static DEVICE_ATTR_WO(name)

NUMBER_ATTRIBUTE(chunk, kstrtoul);
NUMBER_ATTRIBUTE(delay_us, kstrtouint);
NUMBER_ATTRIBUTE(step_ms, kstrtouint);

static ssize_t offers_store(struct device *dev, struct device_attribute *attribute,
                            const char *text, size_t count)
{
    struct statebox *box = box_of_dev(dev);

    box->vdev.migration_flags = VFIO_MIGRATION_STOP_COPY;
    if (strstr(text, "p2p"))
        box->vdev.migration_flags |= VFIO_MIGRATION_P2P;
    if (strstr(text, "pre-copy"))
        box->vdev.migration_flags |= VFIO_MIGRATION_PRE_COPY;
    box->has_reset = strstr(text, "reset") != NULL;
    return count;
}
static DEVICE_ATTR_WO(offers);

static ssize_t fail_store(struct device *dev, struct device_attribute *attribute, const char *text,
                          size_t count)
{
    struct statebox *box = box_of_dev(dev);
    int state, error, left;

    if (sscanf(text, "%d %d %d", &state, &error, &left) != 3)
        return -EINVAL;
    mutex_lock(&box->lock);
    box->fail_state = state;
    box->fail_errno = error;
    box->fail_left = left;
    mutex_unlock(&box->lock);
    return count;
}
static DEVICE_ATTR_WO(fail);

static ssize_t fail_read_store(struct device *dev, struct device_attribute *attribute,
                               const char *text, size_t count)
{
    struct statebox *box = box_of_dev(dev);
    u64 offset;
    int error;

    if (sscanf(text, "%llu %d", &offset, &error) != 2)
        return -EINVAL;
    box->fail_read_at = offset;
    box->fail_read_errno = error;
    return count;
}
static DEVICE_ATTR_WO(fail_read);

static ssize_t dma_store(struct device *dev, struct device_attribute *attribute, const char *text,
                         size_t count)
{
    struct statebox *box = box_of_dev(dev);
    unsigned long iova;
    int error = kstrtoul(text, 0, &iova);

    mutex_lock(&box->lock);
    if (!error && box->dma_count == DMA_WRITES_MAX)
        error = -ENOSPC;
    if (!error)
        box->dma[box->dma_count++] = iova;
    mutex_unlock(&box->lock);
    return error ? error : count;
}
static DEVICE_ATTR_WO(dma);

static struct attribute *box_attributes[] = {
    &dev_attr_size.attr,      &dev_attr_seed.attr,     &dev_attr_digest.attr,
    &dev_attr_touch.attr,     &dev_attr_chunk.attr,    &dev_attr_delay_us.attr,
    &dev_attr_step_ms.attr,   &dev_attr_offers.attr,   &dev_attr_fail.attr,
    &dev_attr_fail_read.attr, &dev_attr_dma.attr,      NULL,
};

static const struct attribute_group box_group = {
    .name = "statebox",
    .attrs = box_attributes,
};

static const struct attribute_group *box_groups[] = { &box_group, NULL };

/* The device as user space sees it: a PCI function with a configuration space and nothing else. */

static ssize_t access_config(struct vfio_device *vdev, size_t count, loff_t *position, size_t *at)
{
    if (*position >> REGION_SHIFT != VFIO_PCI_CONFIG_REGION_INDEX)
        return -EINVAL;
    *at = *position & ((1ULL << REGION_SHIFT) - 1);
    if (*at >= CONFIG_BYTES)
        return 0;
    return min_t(size_t, count, CONFIG_BYTES - *at);
}

static ssize_t device_read(struct vfio_device *vdev, char __user *buffer, size_t count,
                           loff_t *position)
{
    size_t at = 0;
    const ssize_t length = access_config(vdev, count, position, &at);

    if (length > 0 && copy_to_user(buffer, box_of(vdev)->config + at, length))
        return -EFAULT;
    if (length > 0)
        *position += length;
    return length;
}

static ssize_t device_write(struct vfio_device *vdev, const char __user *buffer, size_t count,
                            loff_t *position)
{
    size_t at = 0;
    const ssize_t length = access_config(vdev, count, position, &at);
    u8 bytes[CONFIG_BYTES];
    ssize_t i;

    if (length > 0 && copy_from_user(bytes, buffer, length))
        return -EFAULT;
    for (i = 0; i < length; i++) {
        const size_t offset = at + i;

        if (offset == PCI_COMMAND || offset == PCI_COMMAND + 1 || offset == PCI_INTERRUPT_LINE ||
            offset == PCI_CACHE_LINE_SIZE || offset == PCI_LATENCY_TIMER)
            box_of(vdev)->config[offset] = bytes[i];
    }
    if (length > 0)
        *position += length;
    return length;
}

static long reset_device(struct statebox *box)
{
    if (!box->has_reset)
        return -ENOTTY;
    mutex_lock(&box->lock);
    end_session(box);
    memset(box->content, 0, box->size);
    WRITE_ONCE(box->state, VFIO_DEVICE_STATE_RUNNING);
    mutex_unlock(&box->lock);
    return 0;
}

static long device_ioctl(struct vfio_device *vdev, unsigned int request, unsigned long argument)
{
    struct statebox *box = box_of(vdev);
    void __user *user = (void __user *)argument;

    switch (request) {
    case VFIO_DEVICE_GET_INFO: {
        struct vfio_device_info info = {
            .argsz = sizeof(info),
            .flags = VFIO_DEVICE_FLAGS_PCI | (box->has_reset ? VFIO_DEVICE_FLAGS_RESET : 0),
            .num_regions = VFIO_PCI_NUM_REGIONS,
            .num_irqs = VFIO_PCI_NUM_IRQS,
        };

        return copy_to_user(user, &info, offsetofend(struct vfio_device_info, num_irqs)) ? -EFAULT
                                                                                         : 0;
    }
    case VFIO_DEVICE_GET_REGION_INFO: {
        struct vfio_region_info info;
        const size_t least = offsetofend(struct vfio_region_info, offset);

        if (copy_from_user(&info, user, least))
            return -EFAULT;
        if (info.argsz < least || info.index >= VFIO_PCI_NUM_REGIONS)
            return -EINVAL;
        info.flags = 0;
        info.cap_offset = 0;
        info.size = 0;
        info.offset = (u64)info.index << REGION_SHIFT;
        if (info.index == VFIO_PCI_CONFIG_REGION_INDEX) {
            info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
            info.size = CONFIG_BYTES;
        }
        return copy_to_user(user, &info, least) ? -EFAULT : 0;
    }
    case VFIO_DEVICE_GET_IRQ_INFO: {
        struct vfio_irq_info info;
        const size_t least = offsetofend(struct vfio_irq_info, count);

        if (copy_from_user(&info, user, least))
            return -EFAULT;
        if (info.argsz < least || info.index >= VFIO_PCI_NUM_IRQS)
            return -EINVAL;
        info.flags = 0;
        info.count = 0;
        return copy_to_user(user, &info, least) ? -EFAULT : 0;
    }
    case VFIO_DEVICE_RESET:
        return reset_device(box);
    default:
        return -ENOTTY;
    }
}

static void close_device(struct vfio_device *vdev)
{
    struct statebox *box = box_of(vdev);

    mutex_lock(&box->lock);
    end_session(box);
    box->logging = false;
    mutex_unlock(&box->lock);
}

static int init_device(struct vfio_device *vdev)
{
    struct statebox *box = box_of(vdev);
    int error;

    mutex_init(&box->lock);
    error = resize(box, BLOCK_BYTES);
    if (error)
        return error;
    box->state = VFIO_DEVICE_STATE_RUNNING;
    box->has_reset = true;
    vdev->migration_flags =
        VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY;
    vdev->mig_ops = &migration_operations;
    vdev->log_ops = &log_operations;
    /* The identity of QEMU's own test device, which no host has a driver for. */
    *(__le16 *)&box->config[PCI_VENDOR_ID] = cpu_to_le16(PCI_VENDOR_ID_REDHAT_QUMRANET);
    *(__le16 *)&box->config[PCI_DEVICE_ID] = cpu_to_le16(0x10ff);
    *(__le16 *)&box->config[PCI_CLASS_DEVICE] = cpu_to_le16(PCI_CLASS_MEMORY_OTHER);
    return 0;
}

static void release_device(struct vfio_device *vdev)
{
    struct statebox *box = box_of(vdev);

    vfree(box->content);
    bitmap_free(box->dirty);
    bitmap_free(box->fresh);
    mutex_destroy(&box->lock);
}

static const struct vfio_device_ops device_operations = {
    .name = "statebox",
    .init = init_device,
    .release = release_device,
    .read = device_read,
    .write = device_write,
    .ioctl = device_ioctl,
    .close_device = close_device,
    .bind_iommufd = vfio_iommufd_emulated_bind,
    .unbind_iommufd = vfio_iommufd_emulated_unbind,
    .attach_ioas = vfio_iommufd_emulated_attach_ioas,
    .detach_ioas = vfio_iommufd_emulated_detach_ioas,
};

static int probe(struct mdev_device *mdev)
{
    struct statebox *box = vfio_alloc_device(statebox, vdev, &mdev->dev, &device_operations);
    int error;

    if (IS_ERR(box))
        return PTR_ERR(box);
    dev_set_drvdata(&mdev->dev, box);
    error = vfio_register_emulated_iommu_dev(&box->vdev);
    if (error)
        vfio_put_device(&box->vdev);
    return error;
}

static void remove(struct mdev_device *mdev)
{
    struct statebox *box = dev_get_drvdata(&mdev->dev);

    vfio_unregister_group_dev(&box->vdev);
    vfio_put_device(&box->vdev);
}

static struct mdev_type box_type = {
    .sysfs_name = "1",
    .pretty_name = "Nothing but state",
};
static struct mdev_type *box_types[] = { &box_type };

static struct mdev_driver box_driver = {
    .device_api = VFIO_DEVICE_API_PCI_STRING,
    .max_instances = 32,
    .probe = probe,
    .remove = remove,
    .driver = {
        .name = "statebox",
        .owner = THIS_MODULE,
        .mod_name = KBUILD_MODNAME,
        .dev_groups = box_groups,
    },
};

/* The devices' parent. Its class gives the types in sysfs their prefix. */
static struct class *box_class;
static struct device *box_parent_device;
static struct mdev_parent box_parent;

static int __init begin_module(void)
{
    int error = mdev_register_driver(&box_driver);

    if (error)
        return error;
    box_class = class_create("statebox");
    if (IS_ERR(box_class)) {
        error = PTR_ERR(box_class);
        goto no_class;
    }
    box_parent_device = device_create(box_class, NULL, MKDEV(0, 0), NULL, "statebox");
    if (IS_ERR(box_parent_device)) {
        error = PTR_ERR(box_parent_device);
        goto no_device;
    }
    error = mdev_register_parent(&box_parent, box_parent_device, &box_driver, box_types,
                                 ARRAY_SIZE(box_types));
    if (error)
        goto no_parent;
    return 0;

no_parent:
    device_unregister(box_parent_device);
no_device:
    class_destroy(box_class);
no_class:
    mdev_unregister_driver(&box_driver);
    return error;
}

static void __exit end_module(void)
{
    mdev_unregister_parent(&box_parent);
    device_unregister(box_parent_device);
    class_destroy(box_class);
    mdev_unregister_driver(&box_driver);
}

module_init(begin_module);
module_exit(end_module);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A mediated device that is nothing but state, for tests of migration");
