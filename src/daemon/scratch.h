/*
 * scratch.h - static memory that only start-up, a reload and requests use.
 */
#ifndef VHOTPLUG_SCRATCH_H
#define VHOTPLUG_SCRATCH_H

void scratch_give_back(void); /* its pages go back to the kernel until they are used again */

#endif
