#ifndef C_ALLOCATION_COUNTER_H
#define C_ALLOCATION_COUNTER_H

/// How many blocks the calling thread has asked the C library for since it started.
unsigned long allocation_count(void);

#endif
