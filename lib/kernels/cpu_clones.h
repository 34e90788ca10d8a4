#pragma once

// TACIT_CPU_CLONES before a function compiles it for several instruction sets; the loader picks the best this CPU has.
// The sanitizers instrument the picking, which runs before they are set up, so they get the plain version.
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define TACIT_CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TACIT_CPU_CLONES
#endif
