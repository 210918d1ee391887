; The EXE installer: a shell around the MSI that takes `--name value` and `--name=value`.
;
; It speaks no language of its own: what there is to say, Windows Installer says. The options go from this process's command
; line to Windows Installer by a call, not by another command line.
Target amd64-unicode
Unicode true
SetCompressor /SOLID lzma
RequestExecutionLevel admin
SilentInstall silent
Name "Countersign"
Icon "${NSISDIR}/Contrib/Graphics/Icons/modern-install.ico"
OutFile "${OUTPUT}"
BrandingText " "
VIProductVersion "${VERSION}.0"
VIAddVersionKey /LANG=0 "ProductName" "Countersign"
VIAddVersionKey /LANG=0 "FileDescription" "Countersign installer"
VIAddVersionKey /LANG=0 "FileVersion" "${VERSION}"
VIAddVersionKey /LANG=0 "ProductVersion" "${VERSION}"
VIAddVersionKey /LANG=0 "LegalCopyright" "MIT or Apache-2.0"

!include "options.nsh"
!include "FileFunc.nsh"

!macro HelpLine ARGUMENT PROPERTY KIND
  FileWriteUTF16LE $1 "${ARGUMENT}$\r$\n"
!macroend

Section
  InitPluginsDir
  ${GetParameters} $R0
  StrCmp $R0 "--help" help
  StrCmp $R0 "/?" help
  SetOutPath "$PLUGINSDIR"
  File "programs/actions.dll"
  File "countersign.msi"
  ; 1603, what Windows Installer calls a fatal error, where not even the call can be made.
  StrCpy $0 1603
  System::Call "$PLUGINSDIR\actions.dll::Install(w '$PLUGINSDIR\countersign.msi') i .r0"
  SetErrorLevel $0
  SetOutPath "$TEMP"
  Quit
help:
  FileOpen $1 "$TEMP\countersign-options.txt" w
  FileWriteUTF16LE /BOM $1 ""
  !insertmacro COUNTERSIGN_EACH_OPTION HelpLine
  FileClose $1
  ExecShell "open" "$TEMP\countersign-options.txt"
  SetErrorLevel 0
  Quit
SectionEnd
