// SPDX-License-Identifier: Apache-2.0
/*
 * Test only: writes the call stack of a crashing httpd child to standard error (the error log), so that a test's report says where it was
 * and whose code it ran. (httpd's own EnableExceptionHook is not built into Debian's.)
 *
 * And, for a request with the header X-Test-Die, a child that is killed after its last byte is sent, before anybody has logged it.
 */
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

enum { FRAMES_MAX = 64 };

static void write_stack(int sig)
{
	void *frames[FRAMES_MAX];
	char line[96];
	apr_snprintf(line, sizeof line, "CRASH %d signal %d begin\n", (int)getpid(), sig);
	ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
	backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
	apr_snprintf(line, sizeof line, "CRASH %d end\n", (int)getpid());
	ignored = write(STDERR_FILENO, line, strlen(line));
	(void)ignored;
	raise(sig); // the handler was for one time: now it kills
}

static void catch_signals(apr_pool_t *pchild, server_rec *s)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
	struct sigaction action = {.sa_handler = write_stack, .sa_flags = (int)SA_RESETHAND};
	void *frame[1];
	(void)pchild, (void)s;
	(void)backtrace(frame, 1); // the first call allocates and loads libgcc: not in a signal handler, please
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) sigaction(fatal[i], &action, NULL);
}

static int die_when_asked(request_rec *r)
{
	if (!r->main && apr_table_get(r->headers_in, "X-Test-Die")) raise(SIGKILL);
	return DECLINED;
}

static void hooks(apr_pool_t *p)
{
	(void)p;
	ap_hook_log_transaction(die_when_asked, NULL, NULL, APR_HOOK_REALLY_FIRST);
	ap_hook_child_init(catch_signals, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

AP_DECLARE_MODULE(crash_trace) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, AP_MODULE_FLAG_NONE};
