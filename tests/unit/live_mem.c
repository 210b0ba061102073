/* SPDX-License-Identifier: Apache-2.0 */
/* live_mem.c - the shared memory that a real VPP was seen to lay out */
#include "tests/unit/live.h"

#include "core/wire/crypto.h"
#include "core/wire/ctrl.h"
#include "core/wire/fifo.h"
#include "core/wire/mq.h"
#include "core/wire/seg.h"

/* One section of a dump: what follows a line that begins with #. */
struct dump {
	_Alignas(64) uint8_t bytes[512];
	size_t len;
};

static const struct dump *read_dump(const char *name, int section)
{
	static struct dump d;
	char line[256];
	const char *at;
	int now = -1;
	FILE *f = live_open(name);

	memset(&d, 0, sizeof(d));
	while (fgets(line, sizeof(line), f)) {
		now += *line == '#';
		if (*line == '#' || *line == '\n' || now != section)
			continue;
		CHECK(strtoul(line, NULL, 16) == d.len);
		for (at = strchr(line, ' ');
		     at && at[2] != '\n' && d.len < sizeof(d.bytes);
		     at = strchr(at + 1, ' ')) {
			at += strspn(at, " ");
			CHECK(live_hex(at, &d.bytes[d.len++], 1) == 1);
		}
	}
	fclose(f);
	CHECK(d.len >= 32);
	return &d;
}

/* The @nth line of a capture that has @word. */
static const char *find_line(const char *name, const char *word, int nth)
{
	static char *line;
	static size_t size;
	FILE *f = live_open(name);

	while (getline(&line, &size, f) > 0)
		if (*line != '#' && strstr(line, word) && !nth--)
			break;
	CHECK(nth < 0);
	fclose(f);
	return line;
}

/* The head of a segment as printed by a SEGMAP line. */
static void check_ssvm(const struct dump *d, const char *segmap)
{
	struct wire_ssvm s;

	memcpy(&s, d->bytes, sizeof(s));
	CHECK(s.ssvm_size == live_number(segmap, "size", 10));
	CHECK(s.ssvm_va == live_number(segmap, "va", 16));
	CHECK(s.opaque[0] == live_number(segmap, "fsh_off", 10));
	CHECK(s.opaque[0] == WIRE_FSH_OFFSET);
	CHECK(s.ready == live_number(segmap, "ready", 10));
	CHECK(s.type == live_number(segmap, "type", 10));
	CHECK(s.type == WIRE_SSVM_MEMFD && s.ready == 1);
	CHECK(s.server_pid && s.client_pid && s.heap && s.name);
	CHECK(!s.opaque[1] && !s.lock && !s.tag);
}

static void check_fsh(const struct dump *d, const char *segmap)
{
	const struct wire_fsh *f = (const void *)d->bytes;

	CHECK(f->n_cached_bytes == live_number(segmap, "cached", 10));
	CHECK(f->n_active_fifos == live_number(segmap, "nact", 10));
	CHECK(f->n_reserved_bytes == live_number(segmap, "resv", 10));
	CHECK(f->max_log2_fifo_size == live_number(segmap, "maxlog2", 10));
	CHECK(f->n_slices == live_number(segmap, "slices", 10));
	CHECK(f->pct_first_alloc == live_number(segmap, "pct", 10));
	CHECK(f->n_mqs == live_number(segmap, "nmqs", 10));
	CHECK(f->byte_index == live_number(segmap, "bi", 10));
	CHECK(f->max_byte_index == live_number(segmap, "maxbi", 10));
	CHECK(f->start_byte_index == live_number(segmap, "startbi", 10));
	CHECK(f->start_byte_index ==
	      sizeof(*f) + f->n_slices * sizeof(struct wire_slice));
}

TEST(segment_heads_are_read)
{
	const char *mqseg = "SEGMAP handle=fffffffffffffffe";
	const char *first = "SEGMAP handle=200000000";

	check_ssvm(read_dump("dump_attach-mqseg-ssvm.txt", 0),
		   find_line("probe_attach.txt", mqseg, 0));
	check_fsh(read_dump("dump_attach-mqseg-fsh.txt", 0),
		  find_line("probe_attach.txt", mqseg, 0));
	check_ssvm(read_dump("dump_attach-fifoseg-ssvm.txt", 0),
		   find_line("probe_attach.txt", first, 0));
	check_fsh(read_dump("dump_attach-fifoseg-fsh.txt", 0),
		  find_line("probe_attach.txt", first, 0));
	check_fsh(read_dump("dump_ct-fifo-fresh.txt", 3),
		  find_line("probe_ct.txt", "SEGMAP handle=700000000", 0));
}

/* "1024/256,1,24,25" behind " ring1=": nitems/elsize,cursize,head,tail */
static void read_ring(const char *mqmap, const char *key,
		      struct wire_mq_ring_hdr *r)
{
	unsigned nitems, elsize, cursize, head, tail;
	const char *at = strstr(mqmap, key);

	CHECK(at && sscanf(at + strlen(key), "%u/%u,%u,%u,%u", &nitems, &elsize,
			   &cursize, &head, &tail) == 5);
	r->nitems = nitems;
	r->elsize = elsize;
	r->cursize = cursize;
	r->head = head;
	r->tail = tail;
}

static void check_mq_head(const struct wire_mq *q, const char *mqmap)
{
	CHECK(q->n_rings == live_number(mqmap, "nrings", 10));
	CHECK(q->n_rings == WIRE_N_RINGS);
	CHECK(q->pad0 == live_number(mqmap, "pad", 10));
	CHECK(q->head == live_number(mqmap, "head", 10));
	CHECK(q->tail == live_number(mqmap, "tail", 10));
	CHECK(q->cursize == live_number(mqmap, "cur", 10));
	CHECK(q->maxsize == live_number(mqmap, "max", 10));
	CHECK(q->elsize == live_number(mqmap, "elsize", 10));
	CHECK(q->elsize == sizeof(struct wire_mq_slot));
	CHECK(q->pad1 == live_number(mqmap, "qpad", 10));
}

static void check_mq_dump(const char *dump, const char *name)
{
	char word[32];
	const char *mqmap;
	struct wire_mq_ring_hdr mine, theirs;
	int i;

	snprintf(word, sizeof(word), "MQMAP %s ", name);
	mqmap = find_line("probe_attach.txt", word, 0);
	check_mq_head((const void *)read_dump(dump, 0)->bytes, mqmap);
	for (i = 0; i < WIRE_N_RINGS; i++) {
		snprintf(word, sizeof(word), " ring%d=", i);
		read_ring(mqmap, word, &theirs);
		memcpy(&mine, read_dump(dump, 1 + i)->bytes, sizeof(mine));
		CHECK(mine.nitems == theirs.nitems);
		CHECK(mine.elsize == theirs.elsize);
		CHECK(mine.elsize == (i ? WIRE_CTRL_ELT : WIRE_IO_ELT));
		CHECK(!mine.cursize && !mine.head && !mine.tail);
	}
}

TEST(queues_are_read)
{
	const struct dump *d;
	uint64_t at;

	check_mq_dump("dump_attach-appmq.txt", "app-mq");
	check_mq_dump("dump_attach-vppmq0.txt", "vpp-mq0");
	/* the app's queue is where the attach reply said: behind the fsh */
	at = sizeof(struct wire_fsh) + sizeof(struct wire_slice);
	d = read_dump("dump_attach-fifoseg-fsh.txt", 0);
	check_mq_head((const void *)(d->bytes + at),
		      find_line("probe_attach.txt", "MQMAP app-mq ", 0));
}

static unsigned n_segmaps, n_mqmaps, n_fifos, n_moved, n_dgrams, n_configs;

static void check_segmap(const char *line)
{
	n_segmaps++;
	CHECK(live_number(line, "startbi", 10) ==
	      sizeof(struct wire_fsh) + live_number(line, "slices", 10) *
						sizeof(struct wire_slice));
	CHECK(live_number(line, "maxbi", 10) ==
	      live_number(line, "size", 10) - WIRE_FSH_OFFSET);
	CHECK(live_number(line, "fsh_off", 10) == WIRE_FSH_OFFSET);
}

/* The bytes a queue takes follow from its geometry. */
static void check_mqmap(const char *line)
{
	struct wire_mq_ring_hdr r[WIRE_N_RINGS];

	n_mqmaps++;
	read_ring(line, " ring0=", &r[0]);
	read_ring(line, " ring1=", &r[1]);
	CHECK(r[0].elsize == WIRE_IO_ELT && r[1].elsize == WIRE_CTRL_ELT);
	CHECK(live_number(line, "bytes", 10) ==
	      sizeof(struct wire_mq) +
		      live_number(line, "max", 10) *
			      sizeof(struct wire_mq_slot) +
		      2 * sizeof(r[0]) + r[0].nitems * r[0].elsize +
		      r[1].nitems * r[1].elsize);
}

/* What stands still is always the same in numbers and in bytes; the rest may
 * be moved by the other side while the probe reads: true if it was not. */
static bool same_fifo(const struct wire_fifo *f, const char *line)
{
	CHECK(f->min_alloc == live_number(line, "min_alloc", 10));
	CHECK(f->size == live_number(line, "size", 10));
	CHECK(f->slice_index == live_number(line, "slice", 10));
	CHECK(f->n_subscribers == live_number(line, "nsub", 10));
	CHECK(f->deq_thresh == live_number(line, "thresh", 10));
	CHECK(f->end_chunk == live_number(line, "end", 10));
	CHECK(f->tail_chunk == live_number(line, "tail_chunk", 10));
	CHECK(f->tail == live_number(line, "tail", 10));
	return f->start_chunk == live_number(line, "start", 10) &&
	       f->head_chunk == live_number(line, "head_chunk", 10) &&
	       f->head == live_number(line, "head", 10) &&
	       f->has_event == live_number(line, "has_event", 10) &&
	       f->want_deq_ntf == live_number(line, "want", 10) &&
	       f->has_deq_ntf == live_number(line, "hasdeq", 10);
}

static void check_fifo(const char *line)
{
	_Alignas(64) uint8_t raw[sizeof(struct wire_fifo)];
	const size_t sig = offsetof(struct wire_fifo, has_event);
	const char *at = strstr(line, " raw ");

	n_fifos++;
	CHECK(at && live_hex(at + 5, raw, sizeof(raw)) == sizeof(raw));
	/* a cut-through client's signals are those of its other header */
	at = strstr(at, " sig ");
	if (at)
		CHECK(live_hex(at + 5, raw + sig, 24) == 24);
	n_moved += !same_fifo((const void *)raw, line);
}

/* The probe's words, each behind a header; real UDP has addresses in it. */
static void check_dgram(const char *at)
{
	static const char *const words[] = { "hello", "reply", "ping", "pong" };
	uint8_t bytes[128];
	struct wire_dgram d;
	size_t len, i, n;
	int end;

	n_dgrams++;
	/* "srv listener rx 52 0500..." or "cli rx2 51 0400..." */
	at = strstr(at, " rx");
	CHECK(at && sscanf(at, " %*s %zu %n", &len, &end) == 1);
	CHECK(len <= sizeof(bytes));
	CHECK(live_hex(at + end, bytes, sizeof(bytes)) == len);
	memcpy(&d, bytes, sizeof(d));
	CHECK(sizeof(d) + d.data_length == len && !d.data_offset);
	CHECK(d.is_ip4 == 1 && !d.gso_size);
	/* 10.30.0.1 and .2, or nothing at all in cut-through */
	CHECK(!d.rmt_ip[12] == !d.lcl_ip[12]);
	CHECK(!d.rmt_ip[12] || (d.rmt_ip[13] == 30 && d.lcl_ip[13] == 30 &&
				d.rmt_ip[15] + d.lcl_ip[15] == 3));
	CHECK(!d.rmt_port == !d.rmt_ip[12]);
	for (i = n = 0; i < ARRAY_SIZE(words); i++)
		n += strlen(words[i]) == d.data_length &&
		     !memcmp(bytes + sizeof(d), words[i], d.data_length);
	CHECK(n == 1);
}

static void check_config(const char *at)
{
	struct wire_ext_config c;
	static uint8_t bytes[512];
	size_t len;
	int end;

	n_configs++;
	CHECK(sscanf(at, "%zu %n", &len, &end) == 1 && len == sizeof(c));
	CHECK(live_hex(at + end, bytes, sizeof(bytes)) == len);
	memcpy(&c, bytes, sizeof(c));
	CHECK(c.type == WIRE_EXT_CONFIG_CRYPTO);
	/* once as VPP counts and once as VCL does */
	CHECK(c.len == (n_configs == 1 ? sizeof(c.crypto) : sizeof(c)));
	CHECK(c.crypto.ckpair_index == 1 && !c.crypto.hostname[0]);
}

static void check_line(char *line, char *more)
{
	const char *at;

	(void)more;
	if (strstr(line, " ; SEGMAP "))
		check_segmap(line);
	else if (strstr(line, " ; MQMAP "))
		check_mqmap(line);
	else if (strstr(line, " ; FIFO "))
		check_fifo(line);
	else if ((at = strstr(line, " ; DGRAM ")))
		check_dgram(at);
	else if ((at = strstr(line, " ; EXTCFG record ")))
		check_config(at + 17);
}

TEST(printed_memory_is_read)
{
	CHECK(live_each(check_line) == 42);
	CHECK(n_segmaps == 219);
	CHECK(n_mqmaps == 163);
	CHECK(n_fifos == 628 && n_moved == 15);
	CHECK(n_dgrams == 16);
	CHECK(n_configs == 2);
}

/* A dumped header is the same as the one that the capture printed then. */
static void check_same(const char *dump, int section, const char *word, int nth)
{
	const char *raw = strstr(find_line("probe_ct.txt", word, nth), " raw ");
	uint8_t bytes[sizeof(struct wire_fifo)];

	CHECK(raw && live_hex(raw + 5, bytes, sizeof(bytes)) == sizeof(bytes));
	CHECK(!memcmp(read_dump(dump, section)->bytes, bytes, sizeof(bytes)));
}

TEST(fifo_dumps_are_what_was_printed)
{
	check_same("dump_ct-fifo-fresh.txt", 0, "FIFO srv rx fresh", 0);
	check_same("dump_ct-fifo-fresh.txt", 1, "FIFO srv tx fresh", 0);
	check_same("dump_ct-fifo-100.txt", 0, "FIFO srv rx drained", 0);
	check_same("dump_ct-fifo-100.txt", 1, "FIFO srv tx after peer read", 0);
	check_same("dump_ct-fifo-40100.txt", 0, "FIFO srv rx drained", 1);
	check_same("dump_ct-fifo-40100.txt", 1, "FIFO srv tx after peer read",
		   1);
}

TEST(chunks_and_slices_are_read)
{
	const struct wire_slice *s;
	const struct wire_fsh *f;
	struct wire_chunk c;
	uint64_t free_bytes = 0;
	int i;

	memcpy(&c, read_dump("dump_ct-fifo-fresh.txt", 2)->bytes, sizeof(c));
	CHECK(!c.start_byte && c.length == WIRE_CHUNK_MIN && !c.next);
	CHECK(!c.enq_rb_index && !c.deq_rb_index);

	/* a batch of 4 KiB chunks, two of them in the FIFOs */
	f = (const void *)read_dump("dump_ct-fifo-fresh.txt", 3)->bytes;
	s = f->slices;
	CHECK(s->num_chunks[0] == WIRE_CHUNK_BATCH && !s->num_chunks[1]);
	CHECK(f->n_active_fifos == 2);
	CHECK(f->n_cached_bytes == (WIRE_CHUNK_BATCH - 2) * WIRE_CHUNK_MIN);
	CHECK(s->n_fl_chunk_bytes == f->n_cached_bytes);
	CHECK(s->virtual_mem == 2 * 65536);
	CHECK(s->free_chunks[0] && !s->free_chunks[1] && s->free_fifos);

	/* and a batch of 64 KiB ones for 40000 bytes, two of them in use */
	f = (const void *)read_dump("dump_ct-fifo-40100.txt", 2)->bytes;
	s = f->slices;
	for (i = 0; i < WIRE_CHUNK_CLASSES; i++) {
		CHECK(s->num_chunks[i] ==
		      (i == 0 || i == 4 ? WIRE_CHUNK_BATCH : 0));
		CHECK(!s->free_chunks[i] == !s->num_chunks[i]);
		free_bytes += s->num_chunks[i] * (WIRE_CHUNK_MIN << i);
	}
	CHECK(s->n_fl_chunk_bytes == free_bytes - 2 * (WIRE_CHUNK_MIN << 4));
	CHECK(s->n_fl_chunk_bytes == f->n_cached_bytes);
	CHECK((s->free_chunks[0] & UINT64_C(0xffffffffffff)) < f->byte_index);
}
