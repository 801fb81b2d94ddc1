/*
 * cli.h - the client: vhotplugcli, the same binary under another name.
 */
#ifndef VHOTPLUG_CLI_H
#define VHOTPLUG_CLI_H

/* argv[0] is the program or the word "cli". Returns the exit status: 0 ok, 1 failed (reason on stderr), 2 usage. */
int cli_main(int argc, char **argv);

#endif
