/*
 * scratch.h - static memory that start-up, reloads and requests leave touched.
 */
#ifndef VHOTPLUG_SCRATCH_H
#define VHOTPLUG_SCRATCH_H

/* Its pages go back to the kernel until they are used again. */
void scratch_give_back(void);
void scratch_requests_give_back(void); /* what requests alone use */

#endif
