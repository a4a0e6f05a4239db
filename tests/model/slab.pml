/* SPDX-License-Identifier: MIT */
/*
 * slab.pml - the protocol of slab.c and cache.c for spin: one slab of N objects, its
 * bits, the word of state and count, the cache's lists; F freers, a taker that
 * holds the slab for a while, a shrinker.
 *
 * Each atomic operation of the library is one atomic step here, so all is sequentially
 * consistent: this says nothing of memory order.
 *
 * WRONG 1: the count is raised before the bit is set (breaks I1).
 * WRONG 2: no state LISTING: full becomes partial at once (breaks I5).
 * WRONG 3: no state EMPTYING: partial stays partial when wholly free (breaks I4).
 */
#define N 2
#ifndef WRONG
#define WRONG 0
#endif

mtype = { NONE, ACTIVE, FULL, LISTING, PARTIAL, EMPTYING, EMPTY };

mtype state = FULL;
byte count = 0;
byte reserved = 0;	/* reserved and not yet collected */
bool bit_set[N];	/* free */
bool out[N];		/* held by the program; all of them at the start */
bool lock = false;
byte in_partial = 0, in_empty = 0;	/* how often it is linked there */
bool retired = false;
byte holders = 0;

#define bits (bit_set[0] + bit_set[1])

inline acquire()
{
	atomic { !lock -> lock = true }
}

inline release()
{
	lock = false
}

/* mpp_cache_settle(): under the lock, by the holder or whose duty it is */
inline settle()
{
	acquire();
	assert(!retired);
	if
	:: state == EMPTYING || (WRONG == 3 && state == PARTIAL && in_partial > 0) ->
		assert(in_partial == 1); /* I5 */
		in_partial--
	:: else
	fi;
	atomic {
		if
		:: count == N -> to = EMPTY
		:: count == 0 -> to = FULL
		:: else -> to = PARTIAL
		fi;
		state = to
	}
	if /* by what it was made; frees may have changed it since */
	:: to == EMPTY -> in_empty++
	:: to == PARTIAL -> in_partial++
	:: else
	fi;
	assert(in_partial + in_empty <= 1);
	release()
}

/* mpp_slab_publish(): one compare-and-swap */
inline publish()
{
	atomic {
		assert(state != NONE && !retired);
		count++;
		assert(count <= N);
		duty = false;
		if
		:: state == FULL && WRONG == 2 -> state = PARTIAL; duty = true
		:: state == FULL && WRONG != 2 -> state = LISTING; duty = true
		:: state == PARTIAL && count == N -> duty = true;
			if
			:: WRONG == 3
			:: else -> state = EMPTYING
			fi
		:: else
		fi
	}
}

proctype freer(byte i)
{
	bool duty;
	mtype to;

	atomic { assert(out[i]); out[i] = false }
	if
	:: WRONG == 1 ->
		publish();
		bit_set[i] = true
	:: else ->
		atomic { assert(!bit_set[i]); bit_set[i] = true }
		publish()
	fi;
	if
	:: duty -> settle()
	:: else
	fi
}

proctype taker()
{
	byte i;
	bool taken;
	byte rounds = 0;
	mtype to;

	do
	:: rounds < 2 ->
		rounds++;
		acquire();
		if
		:: atomic { in_partial == 1 && state == PARTIAL -> state = ACTIVE };
			in_partial--;
			taken = true
		:: atomic { in_empty == 1 && state == EMPTY -> state = ACTIVE };
			in_empty--;
			taken = true
		:: else -> taken = false
		fi;
		release();
		if
		:: !taken
		:: else ->
			atomic { holders++; assert(holders == 1) } /* I2 */
			/* reserve one */
			atomic {
				assert(state == ACTIVE);
				if
				:: count > 0 -> count--; reserved++
				:: else
				fi
			}
			/* collect: look, then take the bit that was seen */
			if
			:: reserved > 0 ->
				assert(bits >= 1); /* I1 */
				if
				:: bit_set[0] -> i = 0
				:: bit_set[1] -> i = 1
				fi;
				atomic {
					assert(bit_set[i] && !out[i]); /* I2 */
					bit_set[i] = false;
					out[i] = true;
					reserved--
				}
				skip
			:: else
			fi;
			/* leave: FULL if there is nothing, else to the lists */
			atomic {
				holders--;
				if
				:: count == 0 && state == ACTIVE -> state = FULL; taken = false
				:: else
				fi
			}
			if
			:: taken -> settle()
			:: else
			fi
		fi
	:: else -> break
	od
}

proctype shrinker()
{
	acquire();
	if
	:: in_empty == 1 ->
		assert(state == EMPTY && count == N && bits == N);
		assert(!out[0] && !out[1]); /* I6 */
		in_empty--;
		release();
		atomic { state = NONE; count = 0; retired = true }
	:: else -> release()
	fi
}

/* I1 at all times */
active proctype invariant()
{
	end: atomic { !(retired || bits >= count + reserved) -> assert(false) }
}

/* When nothing runs the lists say what the state says. */
init
{
	atomic {
		out[0] = true;
		out[1] = true;
		run freer(0);
		run freer(1);
		run taker();
		run shrinker()
	}
	atomic {
		_nr_pr == 2 -> /* this one and the invariant */
		assert(in_partial == (state == PARTIAL));
		assert(in_empty == (state == EMPTY));
		assert(retired == (state == NONE));
		assert(retired || bits == count);
		assert(retired || out[0] + out[1] + count == N)
	}
}
