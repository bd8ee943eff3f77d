/* Makes each fdatasync take SYNC_US microseconds more, for `load` on a disk that is slower than the machine's own.
 * Loaded with LD_PRELOAD; docs/benchmarks.md has the command. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int fdatasync(int file)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	const char *wanted = getenv("SYNC_US");
	long longer_us = wanted ? atol(wanted) : 0;
	struct timespec longer = { longer_us / 1000000, longer_us % 1000000 * 1000 };
	int result = real(file);
	nanosleep(&longer, NULL);
	return result;
}
