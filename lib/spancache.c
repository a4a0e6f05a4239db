/* SPDX-License-Identifier: MIT */
/*
 * spancache.c - layer 6: each thread's free spans.
 */
#include "spancache.h"

#include "large.h"

bool mpp_spans_plain;

static size_t pages_of(unsigned stack)
{
	return stack < MPP_SPANS_EXACT ? stack + 1 :
					 MPP_SPANS_EXACT +
						 (stack - MPP_SPANS_EXACT + 1) * MPP_SPANS_STEP;
}

static void *pop_any(struct mpp_span_stack *stack)
{
	/* relaxed: the owner's own words */
	uint32_t n = mpp_load_relaxed(&stack->n);
	void *p;

	if (n == 0)
		return NULL;
	/* relaxed: as above */
	p = mpp_load_relaxed(&stack->v[n - 1]);
	/* release: the load stays before it (T3) */
	mpp_store_release(&stack->n, n - 1);
	return p;
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

		while ((p = pop_any(&t->spans[i])) != NULL) {
			t->span_room += pages_of(i) << mpp_os_page_shift();
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
		count->bytes += n * pages_of(i) * mpp_os_page();
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
