/* What needs declarations that the C library shows to GNU programs only; in the header they would
 * contradict Swift's Glibc module. */
#define _GNU_SOURCE
#include "CChimneyLinux.h"

#if defined(__linux__)

_Static_assert(sizeof(struct chimney_message) == sizeof(struct mmsghdr), "a message has the kernel's layout");

int chimney_pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int chimney_unshare_network(void) { return chimney_result(unshare(CLONE_NEWNET)); }

int chimney_receive_many(int fd, struct chimney_message *messages, unsigned count) {
    return chimney_result(recvmmsg(fd, (struct mmsghdr *)messages, count, MSG_DONTWAIT, NULL));
}

int chimney_send_many(int fd, struct chimney_message *messages, unsigned count) {
    return chimney_result(sendmmsg(fd, (struct mmsghdr *)messages, count, MSG_DONTWAIT));
}

#endif
