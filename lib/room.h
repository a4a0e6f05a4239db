/* SPDX-License-Identifier: MIT */
/*
 * room.h - layer 4: what is kept for later makes room for what is in use.
 */
#ifndef MPP_ROOM_H
#define MPP_ROOM_H

/*
 * Chunks or a span were had: under a limit of mp_set_limit(), pages that free spans and chunks
 * keep are given back as far as there is no room for both, oldest first.  No lock held.
 */
void mpp_room_make(void);

#endif /* MPP_ROOM_H */
