// The page works without this file; it only saves the click.
"use strict";

document.forms[0].submit();
