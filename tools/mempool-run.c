/* SPDX-License-Identifier: MIT */
/*
 * mempool-run.c - run a program with its malloc replaced by libmempool-malloc.
 *
 * Sets LD_PRELOAD and the MEMPOOL_* variables and becomes the program.  What the dynamic
 * loader would leave out in silence is found out before: a program that is static or
 * setuid, or made for another kind of machine.
 */
#include "program.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <mempool.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exit statuses, those of env(1). */
#define EXIT_OURS 125		/* of mempool-run itself */
#define EXIT_UNFIT 126		/* the program is there and cannot be run so */
#define EXIT_MISSING 127	/* there is no such program */

#define LIBRARY "libmempool-malloc.so.0"

static const char usage[] =
	"usage: mempool-run [option]... program [argument]...\n"
	"\n"
	"Run a program on libmempool's malloc.\n"
	"\n"
	"  --debug=LETTERS[,NAMES]  watch objects: F checks, Z red zones, P poison, U who\n"
	"                           allocated and freed, T trace, H hardened, 0 zero on free;\n"
	"                           only in caches of these NAMES, in which * stands for anything\n"
	"  --hardened               no object handed out twice, random order: adds H\n"
	"  --guard=RATE[,NAMES]     one in RATE allocations between guard pages\n"
	"  --stats[=FILE]           a table of the caches at exit, to standard error or FILE\n"
	"  --leaks[=report|error]   what is still allocated at exit; error: exit with failure\n"
	"  --limit=BYTES            refuse memory over it; K, M and G are understood\n"
	"  --library=FILE           preload this file instead of " LIBRARY "\n"
	"  --help                   this text\n"
	"  --version                the version\n"
	"\n"
	"See mempool-run(1).\n";

__attribute__((format(printf, 2, 3), noreturn)) static void die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("mempool-run: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(status);
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		die(EXIT_OURS, "%s: %s", name, strerror(errno));
}

/* a, b and c one after the other; never freed. */
static char *join(const char *a, const char *b, const char *c)
{
	size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
	char *s = malloc(n);

	if (s == NULL)
		die(EXIT_OURS, "out of memory");
	(void)snprintf(s, n, "%s%s%s", a, b, c);
	return s;
}

struct settings {
	const char *debug;
	const char *preload;
	bool hardened;
};

static void set_stats(const char *file)
{
	char here[PATH_MAX];

	if (file == NULL) {
		set("MEMPOOL_STATS", "exit");
		return;
	}
	if (*file == '\0')
		die(EXIT_OURS, "--stats: no file name");
	/* the program may change its directory */
	if (*file != '/') {
		if (getcwd(here, sizeof(here)) == NULL)
			die(EXIT_OURS, "the current directory: %s", strerror(errno));
		file = join(here, "/", file);
	}
	set("MEMPOOL_STATS", join("exit:", file, ""));
}

static void set_leaks(const char *how)
{
	if (how == NULL)
		how = "report";
	if (strcmp(how, "report") != 0 && strcmp(how, "error") != 0)
		die(EXIT_OURS, "--leaks=%s: it is report or error", how);
	set("MEMPOOL_LEAKS", how);
}

static const char *number(const char *option, const char *s)
{
	if (*s < '0' || *s > '9')
		die(EXIT_OURS, "%s=%s: not a number", option, s);
	return s;
}

static void set_debug(const struct settings *s)
{
	const char *debug = s->debug;

	if (s->hardened) {
		if (debug == NULL)
			debug = getenv("MEMPOOL_DEBUG");
		debug = debug == NULL ? "H" : join("H", debug, "");
	}
	if (debug != NULL)
		set("MEMPOOL_DEBUG", debug);
}

/* Returns the index of the program in argv. */
static int read_options(int argc, char **argv, struct settings *s)
{
	static const struct option options[] = {
		{ "debug", required_argument, NULL, 'd' },
		{ "hardened", no_argument, NULL, 'H' },
		{ "guard", required_argument, NULL, 'g' },
		{ "stats", optional_argument, NULL, 's' },
		{ "leaks", optional_argument, NULL, 'l' },
		{ "limit", required_argument, NULL, 'm' },
		{ "library", required_argument, NULL, 'L' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			s->debug = optarg;
			break;
		case 'H':
			s->hardened = true;
			break;
		case 'g':
			set("MEMPOOL_GUARD", number("--guard", optarg));
			break;
		case 's':
			set_stats(optarg);
			break;
		case 'l':
			set_leaks(optarg);
			break;
		case 'm':
			set("MEMPOOL_LIMIT", number("--limit", optarg));
			break;
		case 'L':
			s->preload = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_OURS);
		case 'V':
			printf("mempool-run (libmempool) %s\n", MP_VERSION_STRING);
			exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_OURS);
		default:
			fputs("mempool-run: try \"mempool-run --help\"\n", stderr);
			exit(EXIT_OURS);
		}
	}
	return optind;
}

/*
 * The library beside this program: in the build tree, or below the prefix that this
 * file was installed or copied to.  Otherwise where it was meant to be installed.
 */
static const char *find_library(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *found;
	char *slash;
	size_t dir, bin = strlen(BINDIR);

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash != NULL)
			*slash = '\0';
		found = join(self, "/../malloc/.libs/", LIBRARY);
		if (access(found, R_OK) == 0)
			return found;
		dir = strlen(self);
		if (dir >= bin && strcmp(self + dir - bin, BINDIR) == 0) {
			self[dir - bin] = '\0';
			found = join(self, LIBDIR "/", LIBRARY);
			if (access(found, R_OK) == 0)
				return found;
		}
	}
	return LIBDIR "/" LIBRARY;
}

static void set_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");

	if (library == NULL)
		library = find_library();
	if (access(library, R_OK) != 0)
		die(EXIT_OURS, "%s: %s", library, strerror(errno));
	if (strchr(library, '/') == NULL)
		library = join("./", library, "");
	library = realpath(library, NULL);
	if (library == NULL)
		die(EXIT_OURS, "out of memory");
	if (strpbrk(library, " :") != NULL)
		die(EXIT_OURS, "%s: LD_PRELOAD cannot hold a name with a space or a colon", library);
	if (others != NULL && *others != '\0')
		library = join(library, ":", others);
	set("LD_PRELOAD", library);
}

/* Say why the program cannot be run on the library, and end; return if it can. */
static void check_program(const char *path, unsigned depth)
{
	char interpreter[PATH_MAX];

	switch (program_kind(path, interpreter, sizeof(interpreter))) {
	case PROGRAM_DYNAMIC:
		return;
	case PROGRAM_SCRIPT:
		if (depth == 0)
			die(EXIT_UNFIT, "%s: too many interpreters, one for the other", path);
		check_program(interpreter, depth - 1);
		return;
	case PROGRAM_STATIC:
		die(EXIT_UNFIT, "%s is statically linked: its malloc cannot be replaced", path);
	case PROGRAM_SETUID:
		die(EXIT_UNFIT, "%s is setuid or setgid, or has file capabilities: "
		    "the dynamic loader preloads nothing into it", path);
	case PROGRAM_FOREIGN:
		die(EXIT_UNFIT, "%s is a program for another kind of machine than the library", path);
	case PROGRAM_UNKNOWN:
		die(EXIT_UNFIT, "%s is neither an ELF program nor a script with #!", path);
	case PROGRAM_UNREADABLE:
	default:
		die(errno == ENOENT ? EXIT_MISSING : EXIT_UNFIT, "%s: %s", path, strerror(errno));
	}
}

int main(int argc, char **argv)
{
	struct settings settings = { .debug = NULL };
	char path[PATH_MAX];
	int first = read_options(argc, argv, &settings);

	if (first >= argc)
		die(EXIT_OURS, "no program given; try \"mempool-run --help\"");
	if (!program_find(argv[first], path, sizeof(path)))
		die(errno == ENOENT ? EXIT_MISSING : EXIT_UNFIT, "%s: %s", argv[first],
		    errno == ENOENT ? "no such program" : strerror(errno));
	check_program(path, 4);
	set_debug(&settings);
	set_preload(settings.preload);
	(void)execv(path, argv + first);
	die(errno == ENOENT ? EXIT_MISSING : EXIT_UNFIT, "%s: %s", path, strerror(errno));
}
