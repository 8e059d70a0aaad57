/* What the subjects of `calls` share. */
#ifndef STEPS_H
#define STEPS_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The value of a call that must succeed. */
#define DONE(call) step_done(__FILE__, __LINE__, (call))
/* A call that must fail with this errno. */
#define REFUSED(error, call) step_refused(__FILE__, __LINE__, (error), (call))
/* A call that some kernels or file systems refuse. */
#define TRIED(call) ((void)!(call))

long step_done(const char *file, int line, long result);
void step_refused(const char *file, int line, int error, long result);

/* Each leaves no descriptor open and no name behind. */
void files(void);
void names(void);
void descriptors(void);
void sockets(void);
void readiness(void);
void processes(const char *self);
void memory(void);
void rings(void);

#endif
