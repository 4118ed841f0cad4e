/* Preloaded into avrdude: a pseudo terminal has no DTR line, which avrdude resets an Arduino by and can't do without. Here
   the line may be set, and does nothing; the simulated board is reset by a line on its standard input. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/ioctl.h>

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *value = va_arg(rest, void *);
    va_end(rest);
    if (request == TIOCMGET) return *(int *)value = 0;
    if (request == TIOCMSET || request == TIOCMBIS || request == TIOCMBIC) return 0;
    int (*next)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    return next(fd, request, value);
}
