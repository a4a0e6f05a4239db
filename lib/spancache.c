/* SPDX-License-Identifier: MIT */
/*
 * spancache.c - layer 6: each thread's free spans.
 */
#include "spancache.h"

#include "large.h"

struct mpp_spans_table mpp_spans_all, mpp_spans_plain;

static size_t units_of(unsigned stack)
{
	return stack < MPP_SPANS_EXACT ? stack + 1 :
					 MPP_SPANS_EXACT +
						 (stack - MPP_SPANS_EXACT + 1) * MPP_SPANS_STEP;
}

size_t mpp_spans_round(size_t size)
{
	size_t bytes = mpp_round_up(size, mpp_os_page());

	if (bytes <= MPP_SPANS_EXACT * MPP_UNIT || bytes > MPP_SPAN_CACHE_MOST)
		return bytes;
	return mpp_round_up(bytes, MPP_SPANS_STEP * MPP_UNIT);
}

void mpp_spans_init(bool plain)
{
	unsigned stack = 0;

	for (size_t units = 1; units <= MPP_SPANS_UNITS; units++) {
		size_t length = mpp_spans_round(units * MPP_UNIT) / MPP_UNIT;
		struct mpp_spans_place *place = &mpp_spans_all.up[units];

		if (length > MPP_SPANS_UNITS) /* a page is larger than all that is kept */
			continue;
		while (units_of(stack) < length)
			stack++;
		place->offset = (uint16_t)(offsetof(struct mpp_thread, spans) +
					    stack * sizeof(struct mpp_span_stack));
		place->units = (uint16_t)length;
		if (length == units)
			mpp_spans_all.exact[units] = *place;
	}
	if (plain)
		mpp_spans_plain = mpp_spans_all;
}

bool mpp_spans_keep(struct mpp_thread *t, const void *p, size_t units)
{
	const struct mpp_span_stack *stack = mpp_spans_stack(&mpp_spans_all, t, units);
	/* relaxed: the owner's own words */
	uint32_t n = stack == NULL ? 0 : mpp_load_relaxed(&stack->n);

	/* relaxed: as above */
	while (n > 0 && mpp_load_relaxed(&stack->v[n - 1]) != p)
		n--;
	return n > 0;
}

/* Back to large.c.  A second copy of a span finds it free, or gone: a double free. */
static size_t give_back(void *p, struct mpp_faults *faults)
{
	static const char where[] = "the return of spans at hand";
	void *head = NULL;
	size_t bytes;

	if (mpp_map_find(p, &head) == MPP_CODE_LARGE) {
		bytes = mpp_large_size(p, head);
		if (mpp_likely(mpp_large_free(p, head) == MPP_LARGE_OK))
			return bytes;
	}
	mpp_large_fault(mpp_cache_fault(faults, MP_ERROR_DOUBLE_FREE, NULL, p, where),
			MP_ERROR_DOUBLE_FREE, p, head, where);
	return 0;
}

size_t mpp_spans_flush(struct mpp_thread *t, struct mpp_faults *faults)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < MPP_SPAN_STACKS; i++) {
		void *p;

		while ((p = mpp_spans_take(&t->spans[i])) != NULL) {
			t->span_room += units_of(i) * MPP_UNIT;
			bytes += give_back(p, faults);
		}
	}
	return bytes;
}

struct count {
	const void *p;
	bool found;
	size_t spans, bytes;
};

static void count_thread(struct mpp_thread *t, void *arg)
{
	struct count *count = arg;

	for (unsigned i = 0; i < MPP_SPAN_STACKS; i++) {
		/* acquire: the cells below it; pairs with mpp_spans_push */
		uint32_t n = mpp_load_acquire(&t->spans[i].n);

		count->spans += n;
		count->bytes += n * units_of(i) * MPP_UNIT;
		for (uint32_t j = 0; j < n && count->p != NULL; j++)
			/* relaxed: ordered above */
			if (mpp_load_relaxed(&t->spans[i].v[j]) == count->p)
				count->found = true;
	}
}

void mpp_spans_count(size_t *spans, size_t *bytes)
{
	struct count count = { .p = NULL };

	mpp_thread_each(count_thread, &count);
	*spans = count.spans;
	*bytes = count.bytes;
}

bool mpp_spans_has(const void *p)
{
	struct count count = { .p = p };

	mpp_thread_each(count_thread, &count);
	return count.found;
}
