/* SPDX-License-Identifier: MIT
 *
 * What bcc and the kernel give the probes, in user space: maps as plain arrays, helpers
 * that read a fake kernel's memory, and an environment (clock, task, processor) that
 * the test sets. Included before the probes' own sources, which stay as they are.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <errno.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

/* `asm volatile(...)` is there to please the verifier only; `volatile type` stays. */
#define asm
#define volatile(...)

/* The fake kernel's memory: reading anything else is a fault. */
#define MEMORY_SIZE (1 << 20)
u8 memory[MEMORY_SIZE] __attribute__((aligned(4096)));
u64 clock_ns, current_pid_tgid, current_task;
u32 current_cpu;

static long bpf_probe_read_kernel(void *to, u32 size, const void *from)
{
	uintptr_t at = (uintptr_t)from - (uintptr_t)memory;
	if (at >= MEMORY_SIZE || size > MEMORY_SIZE - at) {
		memset(to, 0, size);
		return -EFAULT;
	}
	memcpy(to, from, size);
	return 0;
}

static long bpf_probe_read_kernel_str(char *to, u32 size, const void *from)
{
	u32 i;
	for (i = 0; i < size; i++) {
		if (bpf_probe_read_kernel(to + i, 1, (const char *)from + i))
			return -EFAULT;
		if (!to[i])
			return i + 1;
	}
	to[size - 1] = 0;
	return size;
}

/* The target's memory is part of the same. */
static long bpf_probe_read_user(void *to, u32 size, const void *from)
{
	return bpf_probe_read_kernel(to, size, from);
}

static long bpf_probe_read_user_str(char *to, u32 size, const void *from)
{
	return bpf_probe_read_kernel_str(to, size, from);
}

/* The kernel answers a typed load from a bad address with 0. */
#define LOAD_TYPED(type, base, offset)                                               \
	({                                                                           \
		type value_ = 0;                                                     \
		bpf_probe_read_kernel(&value_, sizeof(value_), (void *)((base) + (offset))); \
		value_;                                                              \
	})

static u64 bpf_ktime_get_ns(void) { return clock_ns; }
static u64 bpf_get_current_pid_tgid(void) { return current_pid_tgid; }
static u64 bpf_get_current_task(void) { return current_task; }
static void *bpf_get_current_task_btf(void) { return (void *)current_task; }
static u32 bpf_get_smp_processor_id(void) { return current_cpu; }

/* bcc's bpf_log2l(): one more than the number of the highest bit. */
static u32 bpf_log2l(u64 value) { return 64 - __builtin_clzll(value | 1); }

struct table {
	const char *type;
	u32 key_size, value_size, entries, used;
	u8 *keys, *values;
	struct table *next;
};

static struct table *tables;

static int is_array(const struct table *table) { return strstr(table->type, "array") != 0; }

static void *table_lookup(struct table *table, const void *key)
{
	if (is_array(table)) {
		u32 index = *(const u32 *)key;
		return index < table->entries ? table->values + (size_t)index * table->value_size : 0;
	}
	for (u32 i = 0; i < table->used; i++)
		if (!memcmp(table->keys + (size_t)i * table->key_size, key, table->key_size))
			return table->values + (size_t)i * table->value_size;
	return 0;
}

static int table_update(struct table *table, const void *key, const void *value)
{
	void *place = table_lookup(table, key);
	if (!place) {
		if (is_array(table) || table->used == table->entries)
			return -E2BIG;
		memcpy(table->keys + (size_t)table->used * table->key_size, key, table->key_size);
		place = table->values + (size_t)table->used++ * table->value_size;
	}
	memcpy(place, value, table->value_size);
	return 0;
}

/* The last entry takes the freed place, so that a pointer kept too long shows. */
static int table_delete(struct table *table, const void *key)
{
	u8 *place = table_lookup(table, key);
	if (!place || is_array(table))
		return -ENOENT;
	size_t index = (place - table->values) / table->value_size, last = --table->used;
	memmove(table->keys + index * table->key_size, table->keys + last * table->key_size, table->key_size);
	memmove(place, table->values + last * table->value_size, table->value_size);
	memset(table->values + last * table->value_size, 0xaa, table->value_size);
	return 0;
}

#define BPF_F_TABLE(type_, Key, Value, name_, entries_, flags_)                                \
	static Key name_##_keys[entries_];                                                     \
	static Value name_##_values[entries_];                                                 \
	struct table name_##_table = {                                                         \
		type_, sizeof(Key), sizeof(Value), entries_, 0, (u8 *)name_##_keys, (u8 *)name_##_values, 0}; \
	static void __attribute__((constructor)) name_##_register(void)                        \
	{                                                                                      \
		name_##_table.next = tables;                                                   \
		tables = &name_##_table;                                                       \
	}                                                                                      \
	static Value *name_##_lookup(const Key *key) { return table_lookup(&name_##_table, key); } \
	static int name_##_update(const Key *key, const Value *value)                          \
	{                                                                                      \
		return table_update(&name_##_table, key, value);                               \
	}                                                                                      \
	static int name_##_delete(const Key *key) { return table_delete(&name_##_table, key); } \
	static int name_##_insert(const Key *key, const Value *value)                          \
	{                                                                                      \
		return name_##_lookup(key) ? -EEXIST : name_##_update(key, value);             \
	}                                                                                      \
	static const struct {                                                                  \
		Value *(*lookup)(const Key *);                                                 \
		int (*update)(const Key *, const Value *);                                     \
		int (*delete)(const Key *);                                                    \
		int (*insert)(const Key *, const Value *);                                     \
	} name_ = {name_##_lookup, name_##_update, name_##_delete, name_##_insert}

#define BPF_TABLE(type, Key, Value, name, entries) BPF_F_TABLE(type, Key, Value, name, entries, 0)
#define BPF_HASH(name, Key, Value, entries) BPF_F_TABLE("hash", Key, Value, name, entries, 0)
#define BPF_ARRAY(name, Value, entries) BPF_F_TABLE("array", u32, Value, name, entries, 0)
#define BPF_PERCPU_ARRAY(name, Value, entries) BPF_F_TABLE("percpu_array", u32, Value, name, entries, 0)

/* A ring buffer that is emptied between events; memory handed out holds old bytes, as
 * the kernel's does. */
#define RING_BUFFER_SIZE (1 << 18)
struct ring_buffer {
	u32 capacity, used;
	u8 data[RING_BUFFER_SIZE];
};

static void *ring_buffer_reserve(struct ring_buffer *buffer, u32 size)
{
	u32 whole = (size + 8 + 7) & ~7u;
	if (buffer->used + whole > buffer->capacity)
		return 0;
	u8 *record = buffer->data + buffer->used;
	memset(record, 0xaa, whole);
	((u32 *)record)[0] = size | BPF_RINGBUF_BUSY_BIT;
	((u32 *)record)[1] = 0;
	buffer->used += whole;
	return record + 8;
}

static void ring_buffer_submit(void *data, u64 flags)
{
	((u32 *)data)[-2] &= ~BPF_RINGBUF_BUSY_BIT;
}

#define BPF_RINGBUF_OUTPUT(name_, pages_)                                                       \
	struct ring_buffer name_##_buffer = {.capacity = RING_BUFFER_SIZE};                     \
	static void *name_##_reserve(u32 size) { return ring_buffer_reserve(&name_##_buffer, size); } \
	static int name_##_output(const void *data, u32 size, u64 flags)                        \
	{                                                                                       \
		void *place = name_##_reserve(size);                                            \
		if (!place)                                                                     \
			return -EAGAIN;                                                         \
		memcpy(place, data, size);                                                      \
		ring_buffer_submit(place, flags);                                               \
		return 0;                                                                       \
	}                                                                                       \
	static const struct {                                                                   \
		void *(*ringbuf_reserve)(u32);                                                  \
		void (*ringbuf_submit)(void *, u64);                                            \
		int (*ringbuf_output)(const void *, u32, u64);                                  \
	} name_ = {name_##_reserve, ring_buffer_submit, name_##_output}

/* engine.c knows which program continues which probe. */
static jmp_buf tail;
static void tail_call(struct bpf_raw_tracepoint_args *ctx, u32 index);

#define BPF_PROG_ARRAY(name_, entries_)                                         \
	static const struct {                                                   \
		void (*call)(struct bpf_raw_tracepoint_args *, u32);            \
	} name_ = {tail_call}
