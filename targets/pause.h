/* What --pause does: the target says that it is ready, and begins when it is told to. */
#pragma once
#include <stdio.h>
#include <unistd.h>

static void wait_for_line(void)
{
    printf("{\"ready\": %d}\n", (int)getpid());
    fflush(stdout);
    int character;
    do
        character = getchar();
    while (character != '\n' && character != EOF);
}
