/* hand COMMAND STEP…: starts a program, and does in its dialogs what a person would; ends with the program's code.
 *
 *   see:TEXT      waits for a window that says TEXT
 *   type:N:TEXT   puts TEXT into the N-th field of the window seen last, counted from 0
 *   click:TEXT    presses the button TEXT of that window (ampersands left out), once it can be pressed
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static const DWORD PATIENCE = 90 * 1000;
static HWND window, found;
static const char *wanted;
static int place;

/* The text of a window of another process; without the marks of keys, and without the name of a font. */
static void text_of(HWND of, char *text, int length) {
    char raw[2048], *out = text;
    SendMessageTimeoutA(of, WM_GETTEXT, sizeof raw, (LPARAM)raw, SMTO_ABORTIFHUNG, 2000, NULL);
    for (char *in = raw; *in && out - text < length - 1; in++)
        if (*in != '&') *out++ = *in;
    *out = 0;
}

static BOOL is_of_class(HWND of, const char *part) {
    char name[64] = "";
    GetClassNameA(of, name, sizeof name);
    return strstr(name, part) != NULL;
}

static BOOL CALLBACK by_text(HWND child, LPARAM whole) {
    char text[2048] = "";
    if (!IsWindowVisible(child)) return TRUE;
    text_of(child, text, sizeof text);
    if (whole ? strcmp(text, wanted) != 0 || !IsWindowEnabled(child) : strstr(text, wanted) == NULL) return TRUE;
    found = child;
    return FALSE;
}

static BOOL CALLBACK by_place(HWND child, LPARAM unused) {
    (void)unused;
    if (!is_of_class(child, "Edit") && !is_of_class(child, "RichEdit")) return TRUE;
    if (place-- > 0) return TRUE;
    found = child;
    return FALSE;
}

static BOOL CALLBACK top(HWND candidate, LPARAM unused) {
    (void)unused;
    if (!IsWindowVisible(candidate)) return TRUE;
    EnumChildWindows(candidate, by_text, 0);
    if (!found) return TRUE;
    window = candidate;
    return FALSE;
}

static void look_for(const char *step) {
    found = NULL;
    if (!strncmp(step, "see:", 4)) {
        wanted = step + 4;
        EnumWindows(top, 0);
    } else if (!strncmp(step, "click:", 6)) {
        wanted = step + 6;
        EnumChildWindows(window, by_text, 1);
    } else if (!strncmp(step, "type:", 5)) {
        place = step[5] - '0';
        EnumChildWindows(window, by_place, 0);
    }
}

static BOOL CALLBACK tell(HWND of, LPARAM depth) {
    char text[2048] = "", name[64] = "";
    text_of(of, text, sizeof text);
    GetClassNameA(of, name, sizeof name);
    if (IsWindowVisible(of)) printf("%*s%s: %s\n", (int)depth, "", name, text);
    if (depth == 0) EnumChildWindows(of, tell, 4);
    return TRUE;
}

static BOOL do_step(const char *step) {
    DWORD begun = GetTickCount();
    for (look_for(step); !found; look_for(step)) {
        if (GetTickCount() - begun > PATIENCE) {
            printf("in vain: %s\n", step);
            EnumWindows(tell, 0);
            return FALSE;
        }
        Sleep(20);
    }
    printf("%s\n", step);
    if (!strncmp(step, "click:", 6)) PostMessageA(found, BM_CLICK, 0, 0);
    if (!strncmp(step, "type:", 5)) SendMessageA(found, WM_SETTEXT, 0, (LPARAM)(step + 7));
    return TRUE;
}

int main(int count, char **arguments) {
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION started;
    DWORD code = 1;
    if (count < 2 || !CreateProcessA(NULL, arguments[1], NULL, NULL, FALSE, 0, NULL, NULL, &start, &started)) return 2;
    for (int at = 2; at < count; at++)
        if (!do_step(arguments[at])) {
            TerminateProcess(started.hProcess, 3);
            return 3;
        }
    WaitForSingleObject(started.hProcess, PATIENCE);
    GetExitCodeProcess(started.hProcess, &code);
    return (int)code;
}
