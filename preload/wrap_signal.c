/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wrap_signal.c - in front of the program's signal handlers
 *
 * Each handler that the program sets is noted here, and on_signal() is set in
 * its place, so that none runs in the middle of what a call of the same thread
 * must not be interrupted in (core/base/signal.h).  What the program asks for
 * afterwards is its own handler again.  A fault is the program's own: its
 * handlers are left alone, for they look at where it happened.
 *
 * Where libc sets handlers by itself the kernel keeps what it is given, which
 * is on_signal() if it was that before: for example in siginterrupt(3).
 */
#include <signal.h>

#include "core/base/signal.h"
#include "preload/real.h"

static struct {
	_Atomic(sig_handler *) fn;
	_Atomic bool siginfo; /* it was set with SA_SIGINFO */
} handlers[_NSIG];

static void on_signal(int sig, siginfo_t *info, void *context)
{
	sig_handle(handlers[sig].fn, sig, info, context);
}

static bool is_ours(int sig)
{
	return sig > 0 && sig < _NSIG && !sig_is_fault(sig);
}

static bool is_handler(const struct sigaction *act)
{
	return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

/* @act as the kernel is to have it.  The order: whatever the kernel calls from
 * now on, on_signal() finds something to call. */
static void stand_before(int sig, struct sigaction *act)
{
	handlers[sig].siginfo = act->sa_flags & SA_SIGINFO;
	handlers[sig].fn = act->sa_sigaction;
	act->sa_sigaction = on_signal;
	act->sa_flags |= SA_SIGINFO;
}

EXPORT int sigaction(int sig, const struct sigaction *act,
		     struct sigaction *old)
{
	sig_handler *fn;
	struct sigaction ours;
	bool siginfo;
	int err;

	if (!is_ours(sig))
		return REAL(sigaction)(sig, act, old);
	fn = handlers[sig].fn;
	siginfo = handlers[sig].siginfo;
	if (act && is_handler(act)) {
		ours = *act;
		act = &ours;
		stand_before(sig, &ours);
	}
	err = REAL(sigaction)(sig, act, old);
	if (!err && old && old->sa_sigaction == on_signal) {
		old->sa_sigaction = fn;
		if (!siginfo)
			old->sa_flags &= ~SA_SIGINFO;
	}
	return err;
}
ALIAS(__sigaction, sigaction);

/* The other form, as sigaction(2) has both in one place. */
static sighandler_t plain(sig_handler *fn)
{
	return (sighandler_t)(void (*)(void))fn;
}

/* libc has set @fn, with flags that it alone knows; @old was there before. */
static sighandler_t adopt(int sig, sighandler_t fn, sighandler_t old)
{
	sig_handler *before;
	struct sigaction now;

	if (old == SIG_ERR || !is_ours(sig))
		return old;
	before = handlers[sig].fn;
	if (fn != SIG_DFL && fn != SIG_IGN &&
	    !REAL(sigaction)(sig, NULL, &now) && now.sa_handler == fn) {
		stand_before(sig, &now);
		REAL(sigaction)(sig, &now, NULL);
	}
	return old == plain(on_signal) ? plain(before) : old;
}

EXPORT sighandler_t signal(int sig, sighandler_t fn)
{
	return adopt(sig, fn, REAL(signal)(sig, fn));
}
ALIAS(ssignal, signal);

EXPORT sighandler_t sysv_signal(int sig, sighandler_t fn)
{
	return adopt(sig, fn, REAL(sysv_signal)(sig, fn));
}
ALIAS(__sysv_signal, sysv_signal);

/* of System V, and deprecated */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
EXPORT sighandler_t sigset(int sig, sighandler_t fn)
{
	return adopt(sig, fn, REAL(sigset)(sig, fn));
}
