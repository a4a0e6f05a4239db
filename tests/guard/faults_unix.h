/* SPDX-License-Identifier: MIT */
/*
 * faults_unix.h - a part of faults.c: what becomes of the signal.
 */
/* ---- whoever handled the signal before */

static void leave(int number)
{
	(void)number;
	_exit(7);
}

static void leave_if_told(int number, siginfo_t *info, void *context)
{
	_exit(context != NULL && number == SIGSEGV && (uintptr_t)info->si_addr != 0 ? 7 : 8);
}

static void handle_first(bool told)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	if (told)
		action.sa_sigaction = leave_if_told;
	else
		action.sa_handler = leave;
	action.sa_flags = told ? SA_SIGINFO : 0;
	if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0)
		give_up("no handler");
}

static void chained(size_t size)
{
	handle_first(false);
	read_freed(size);
}

static void chained_told(size_t size)
{
	handle_first(true);
	overflow(size);
}

/* Called once, as it asked to be; when it returns, the fault comes again. */
static void return_once(int number)
{
	static volatile sig_atomic_t calls;

	(void)number;
	if (++calls > 1)
		_exit(8);
}

static void chained_once(size_t size)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = return_once;
	action.sa_flags = (int)SA_RESETHAND;
	if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0)
		give_up("no handler");
	read_freed(size);
}

static void ignored(size_t size)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_IGN;
	if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0)
		give_up("not ignored");
	read_freed(size); /* a fault cannot be */
}

static void elsewhere_chained(size_t size)
{
	handle_first(true);
	elsewhere(size);
}

static void sent(size_t size)
{
	(void)object(size);
	raise(SIGSEGV);
}

/* Nobody asked for guards: the signal is left alone. */
static void unasked(size_t size)
{
	struct mp_cache *c = mp_cache_create("orders", size, 0, 0, NULL);
	struct sigaction action;

	for (unsigned i = 0; i < 10000; i++)
		mp_cache_free(c, mp_cache_alloc(c));
	if (sigaction(SIGSEGV, NULL, &action) != 0)
		give_up("no action");
	if (!SANITIZED && ((action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL))
		give_up("a handler");
	exit(0);
}

/* In the child of a fork, too. */
static void in_child(size_t size)
{
	char *p = object(size);
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		give_up("no child");
	if (pid == 0) {
		mp_cache_free(orders, p);
		for (unsigned i = 0; i < 1000; i++)
			mp_cache_free(orders, mp_cache_alloc(orders));
		p = launder(mp_cache_alloc(orders));
		if (!is_guarded(p) || mp_cache_validate(orders) != 0)
			give_up("not guarded in the child");
		mp_cache_free(orders, p);
		read_freed(size);
	}
	if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		give_up("the child ended well");
	mp_cache_free(orders, p);
	raise(SIGSEGV);
}

#define FAULTS_OF_SYSTEM \
	{ "chained", chained, EXITS_7, "freed by thread", "", NULL }, \
	{ "chained-told", chained_told, EXITS_7, "allocated by thread", "", NULL }, \
	{ "chained-once", chained_once, FAULTS, "freed by thread", "", NULL }, \
	{ "ignored", ignored, FAULTS, "freed by thread", "", NULL }, \
	{ "elsewhere-chained", elsewhere_chained, EXITS_7, "", "", NULL }, \
	{ "sent", sent, FAULTS, "", "", NULL }, \
	{ "unasked", unasked, ENDS, "", "", NULL }, \
	{ "in-child", in_child, FAULTS, "freed by thread", "", NULL },
