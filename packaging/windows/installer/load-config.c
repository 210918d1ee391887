/*
 * The loader takes the libraries that the program names from the system's directory alone (Windows 10 1607 and later): beside a program that was
 * downloaded lies what anybody put there. Microsoft's linker writes this for /DEPENDENTLOADFLAG; here `load-config` enters it in the header.
 */
#include <stddef.h>
#include <windows.h>

__attribute__((used, section(".ldcfg"))) const IMAGE_LOAD_CONFIG_DIRECTORY64 countersign_load_config = {
    .Size = sizeof(IMAGE_LOAD_CONFIG_DIRECTORY64),
    .Reserved1 = LOAD_LIBRARY_SEARCH_SYSTEM32, /* DependentLoadFlags, in headers of today */
};

_Static_assert(offsetof(IMAGE_LOAD_CONFIG_DIRECTORY64, Reserved1) == 0x4e, "it is where Windows reads it");
