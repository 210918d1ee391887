/* With the last ordinary process Wine ends its services too: this one stays. */
#include <windows.h>

int WINAPI WinMain(HINSTANCE instance, HINSTANCE previous, LPSTR line, int show) {
    Sleep(INFINITE);
    return 0;
}
