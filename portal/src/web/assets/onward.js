// The page works without this file; it only saves the click. The page itself leaves no step behind in the history.
"use strict";

location.replace(document.getElementById("onward").href);
