/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - a ring of members, each a part of what it links */
#ifndef DAEMON_LIST_H
#define DAEMON_LIST_H

#include <stdbool.h>

#include "core/base/base.h"

struct list {
	struct list *next, *prev; /* itself: empty, or on no list */
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* At the end, so that a list is a queue. */
static inline void list_add(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Harmless for a member that is on no list. */
static inline void list_del(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

#define list_entry(l, type, member) container_of(l, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

/* Nothing may leave the list in the body but the entry itself, and that only
 * in the _safe form. */
#define list_each(pos, head, type, member)                 \
	for (pos = list_entry((head)->next, type, member); \
	     &pos->member != (head);                       \
	     pos = list_entry(pos->member.next, type, member))
#define list_each_safe(pos, tmp, head, type, member)          \
	for (pos = list_entry((head)->next, type, member),    \
	    tmp = list_entry(pos->member.next, type, member); \
	     &pos->member != (head);                          \
	     pos = tmp, tmp = list_entry(tmp->member.next, type, member))

#endif /* DAEMON_LIST_H */
