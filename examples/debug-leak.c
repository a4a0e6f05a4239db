/* SPDX-License-Identifier: MIT */
/*
 * debug-leak.c - a sample program with a mistake, for mempool_debug(7).
 *
 *   cc -g -rdynamic -o debug-leak debug-leak.c $(pkg-config --cflags --libs mempool)
 *   MEMPOOL_LEAKS=error MEMPOOL_DEBUG=U,order ./debug-leak
 */
#include <mempool.h>

struct order {
	struct order *next;
	int amount;
};

struct order *order_new(struct mp_cache *orders, int amount);
int take_orders(struct mp_cache *orders);

struct order *order_new(struct mp_cache *orders, int amount)
{
	struct order *o = mp_new(orders, struct order);

	if (o != NULL)
		o->amount = amount;
	return o;
}

/* The mistake: an order of nothing is neither counted nor freed. */
int take_orders(struct mp_cache *orders)
{
	int sum = 0;

	for (int amount = 0; amount < 9; amount++) {
		struct order *o = order_new(orders, amount % 3);

		if (o == NULL || o->amount == 0)
			continue;
		sum += o->amount;
		mp_cache_free(orders, o);
	}
	return sum;
}

int main(void)
{
	struct mp_cache *orders = MP_CACHE(order, 0);

	if (orders == NULL)
		return 1;
	printf("%d sold\n", take_orders(orders));
	return 0;
}
