/*
 * input_node.h - the node of an input device: a VM's user may open it, or no longer. For a worker that is the owner of
 * nodes: an access list needs no capability then, and whom the host lets open the node keeps that.
 */
#ifndef VHOTPLUG_INPUT_NODE_H
#define VHOTPLUG_INPUT_NODE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum input_node_end {
    INPUT_NODE_DONE,   /* it was not so before */
    INPUT_NODE_SAME,   /* it was so already: somebody else's doing, which is not to be undone */
    INPUT_NODE_GONE,   /* it is not this plug any more */
    INPUT_NODE_FAILED, /* why says why */
};

/* Of the plug that has this number now: the inode of its directory in sysfs, another one for each plug; 0 if there is
 * none. */
uint64_t input_node_incarnation(uint16_t number);
enum input_node_end input_node_let(uint16_t number, uint64_t incarnation, uint32_t uid, char why[VH_TEXT_MAX]);
enum input_node_end input_node_bar(uint16_t number, uint64_t incarnation, uint32_t uid, char why[VH_TEXT_MAX]);

#endif
