/* SPDX-License-Identifier: Apache-2.0 */
/* signal.c - when the program's signal handlers run */
#include "core/base/signal.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

/* What the kernel has of a sigset_t in a signal's frame, and no more. */
#define KERNEL_SET 8

/* A handler that runs; on its own stack. */
struct running {
	struct running *below;
	uintptr_t low, high; /* the alternate stack that it is on; 0: none */
	void (*then)(void);
};

struct kept {
	sig_handler *fn;
	int sig;
	siginfo_t info;
	sigset_t before; /* what the interrupted code had blocked */
	sigset_t during; /* what the handler has */
};

#define THREAD __thread __attribute__((tls_model("initial-exec")))

THREAD volatile unsigned sig_held;
THREAD volatile bool sig_waits;
static THREAD struct kept kept;
static THREAD struct running *volatile top;

bool sig_is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
	       sig == SIGILL || sig == SIGTRAP || sig == SIGSYS ||
	       sig == SIGABRT;
}

static bool within(uintptr_t at, uintptr_t low, uintptr_t high)
{
	return at >= low && at < high;
}

/* By siglongjmp(3): what stands above a handler on its stack called it. */
static bool has_left(const struct running *r)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return r->high ? !within(here, r->low, r->high) : here > (uintptr_t)r;
}

bool sig_in_handler(void)
{
	while (unlikely(top) && has_left(top))
		top = top->below;
	return unlikely(top);
}

void sig_then(void (*fn)(void))
{
	if (sig_in_handler())
		top->then = fn;
}

static void run(sig_handler *fn, int sig, siginfo_t *info, ucontext_t *uc)
{
	struct running self = { 0 };
	uintptr_t low = (uintptr_t)uc->uc_stack.ss_sp;

	if (!(uc->uc_stack.ss_flags & SS_DISABLE) &&
	    within((uintptr_t)&self, low, low + uc->uc_stack.ss_size)) {
		self.low = low;
		self.high = low + uc->uc_stack.ss_size;
	} else {
		(void)sig_in_handler(); /* forget those that were left */
	}
	self.below = top;
	top = &self;
	fn(sig, info, uc);
	top = self.below;
	if (unlikely(self.then))
		self.then();
}

/* The interrupted code goes on, and hears of nothing before sig_release(). */
static void keep(sig_handler *fn, int sig, const siginfo_t *info,
		 ucontext_t *uc)
{
	sigset_t all;
	int i;

	/* not libc's own, which sigfillset(3) leaves out: it waits for who
	 * does not answer these */
	sigfillset(&all);
	for (i = 1; i < SIGRTMIN; i++)
		if (sig_is_fault(i) && !sigismember(&uc->uc_sigmask, i))
			sigdelset(&all, i);
	kept.fn = fn;
	kept.sig = sig;
	kept.info = *info;
	sigemptyset(&kept.before);
	memcpy(&kept.before, &uc->uc_sigmask, KERNEL_SET);
	pthread_sigmask(SIG_BLOCK, NULL, &kept.during);
	memcpy(&uc->uc_sigmask, &all, KERNEL_SET);
	sig_waits = true;
}

void sig_handle(sig_handler *fn, int sig, siginfo_t *info, void *context)
{
	if (unlikely(sig_held))
		keep(fn, sig, info, context);
	else
		run(fn, sig, info, context);
}

void sig_fork_child(unsigned held)
{
	if (sig_waits)
		pthread_sigmask(SIG_SETMASK, &kept.before, NULL);
	sig_waits = false;
	sig_held = held;
}

/* A context of its own, so that a handler may look at it, and change what is
 * blocked when it returns. */
void sig_deliver(void)
{
	struct kept now = kept;
	int saved = errno;
	ucontext_t uc;

	sig_waits = false;
	if (getcontext(&uc))
		memset(&uc, 0, sizeof(uc));
	uc.uc_stack.ss_flags = SS_DISABLE;
	uc.uc_sigmask = now.before;
	pthread_sigmask(SIG_SETMASK, &now.during, NULL);
	run(now.fn, now.sig, &now.info, &uc);
	pthread_sigmask(SIG_SETMASK, &uc.uc_sigmask, NULL);
	errno = saved;
}
