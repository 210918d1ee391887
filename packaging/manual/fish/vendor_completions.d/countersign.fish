# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_countersign_global_optspecs
    string join \n config= policy= state-dir= runtime-dir= h/help V/version
end

function __fish_countersign_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_countersign_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_countersign_using_subcommand
    set -l cmd (__fish_countersign_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c countersign -n "__fish_countersign_needs_command" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_needs_command" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_needs_command" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_needs_command" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_needs_command" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_needs_command" -s V -l version -d 'Print version'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "run" -d 'Run the agent in the foreground; this is what service managers start'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "service" -d 'Install, remove, start or stop the service, or show how it stands'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "installer"
complete -c countersign -n "__fish_countersign_needs_command" -f -a "configure" -d 'Set install options, in the spelling of any installer; with nothing behind it, list them'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "params" -d 'Show the effective options and where each comes from; change one without installing again'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "status" -d 'Show who is signed in, until when, and what to do where something is wrong'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "sign-in" -d 'Sign in now, or get a Response for a service'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "open" -d 'List the services that you may open, or open one in your browser, signed in'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "ecp" -d 'Get a page of a service that speaks ECP, or its session\'s cookies: for programs that are no browser'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "prove" -d 'Prove once, on this device, who you are: in your browser, or with a one-time code'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "sign-out" -d 'End your own session with the portal; `sign-in` begins another'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "break-glass" -d 'Type in the code that support has read out: for a while local software is told to let this device through, portal or not'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "deregister" -d 'Leave the cloud: tell the portal, and forget key, state and token'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "whoami" -d 'Show who the operating system says is logged in, the name that is made from it, and why'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "diagnostics" -d 'Find out what is wrong, why, and what to do; works with the agent dead and the network down'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "logs" -d 'Show the agent\'s own log'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "facts" -d 'Show the facts about this device, where each was read, and whether it is sent'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand run" -l log -d 'What to log, on standard error and in the agent\'s own file: `error`, `warn`, `info`, `debug`, or levels for parts of it, as `info,agent::transport=debug`' -r
complete -c countersign -n "__fish_countersign_using_subcommand run" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand run" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand run" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand run" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand run" -l steps -d 'Print each step of a sign-in on standard output as it happens, one JSON object a line. Names the person'
complete -c countersign -n "__fish_countersign_using_subcommand run" -l service -d 'For the Windows service manager, which starts the service so'
complete -c countersign -n "__fish_countersign_using_subcommand run" -l log-json -d 'Write the log on standard error as JSON lines'
complete -c countersign -n "__fish_countersign_using_subcommand run" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -f -a "install" -d 'Register the service, so that it starts with the machine; nothing is started yet'
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -f -a "uninstall" -d 'Stop the service and remove it. Key, state and options stay'
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -f -a "start" -d 'Start the service and wait until it runs'
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -f -a "stop" -d 'Stop the service and wait until it has stopped'
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -f -a "status" -d 'Show how the service stands; ends with 0 where it runs, and with 3 where it does not'
complete -c countersign -n "__fish_countersign_using_subcommand service; and not __fish_seen_subcommand_from install uninstall start stop status help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from install" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from install" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from install" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from install" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from uninstall" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from start" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from start" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from start" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from start" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from stop" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from stop" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from stop" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from stop" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from status" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from status" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from status" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from status" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from status" -l json -d 'Print one JSON object'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "install" -d 'Register the service, so that it starts with the machine; nothing is started yet'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "uninstall" -d 'Stop the service and remove it. Key, state and options stay'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "start" -d 'Start the service and wait until it runs'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "stop" -d 'Stop the service and wait until it has stopped'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show how the service stands; ends with 0 where it runs, and with 3 where it does not'
complete -c countersign -n "__fish_countersign_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand installer; and not __fish_seen_subcommand_from options help" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and not __fish_seen_subcommand_from options help" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and not __fish_seen_subcommand_from options help" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and not __fish_seen_subcommand_from options help" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and not __fish_seen_subcommand_from options help" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand installer; and not __fish_seen_subcommand_from options help" -f -a "options" -d 'Read `PROPERTY=value` lines from standard input and keep them as install options'
complete -c countersign -n "__fish_countersign_using_subcommand installer; and not __fish_seen_subcommand_from options help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand installer; and __fish_seen_subcommand_from options" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and __fish_seen_subcommand_from options" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and __fish_seen_subcommand_from options" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and __fish_seen_subcommand_from options" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand installer; and __fish_seen_subcommand_from options" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand installer; and __fish_seen_subcommand_from help" -f -a "options" -d 'Read `PROPERTY=value` lines from standard input and keep them as install options'
complete -c countersign -n "__fish_countersign_using_subcommand installer; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand configure" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand configure" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand configure" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand configure" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -f -a "list" -d 'Show every option, its value (secrets are not shown) and its origin'
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -f -a "get" -d 'Show one option'
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -f -a "set" -d 'Set one option for this device, over what the installer and the configuration file say; a running agent works with it at once'
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -f -a "unset" -d 'Take back what `params set` said about an option'
complete -c countersign -n "__fish_countersign_using_subcommand params; and not __fish_seen_subcommand_from list get set unset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from list" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from list" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from list" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from list" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from list" -l json -d 'As JSON'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from get" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from get" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from get" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from get" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from get" -l json -d 'As JSON, with its origin'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from set" -l file -d 'Read the value from this file, `-` for standard input' -r
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from set" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from set" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from set" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from set" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from unset" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from unset" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from unset" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from unset" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from unset" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show every option, its value (secrets are not shown) and its origin'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from help" -f -a "get" -d 'Show one option'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from help" -f -a "set" -d 'Set one option for this device, over what the installer and the configuration file say; a running agent works with it at once'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from help" -f -a "unset" -d 'Take back what `params set` said about an option'
complete -c countersign -n "__fish_countersign_using_subcommand params; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand status" -l check -d 'Print nothing, and end with 0 if the agent is alive, ready (could authenticate now), or the device enrolled' -r -f -a "live\t'The daemon answers'
ready\t'Somebody is signed in, or could be now'
enrolled\t'The device\'s key is registered with the cloud, or a break-glass code holds: what a firewall or forwarder asks that lets nothing through before'"
complete -c countersign -n "__fish_countersign_using_subcommand status" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand status" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand status" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand status" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand status" -l json -d 'As JSON'
complete -c countersign -n "__fish_countersign_using_subcommand status" -l watch -d 'Go on, and show it again whenever it changes, until ended with Ctrl-C; with `--json`, one object a line'
complete -c countersign -n "__fish_countersign_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -l service -d 'Get a SAML Response for this service, by its entity ID. Anybody who posts it is signed in there as you, once' -r
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -l form -d 'Write the Response as a web page that posts it to the service, readable by you alone' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -l json -d 'As JSON: the status, or `acs_url` and `saml_response`'
complete -c countersign -n "__fish_countersign_using_subcommand sign-in" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand open" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand open" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand open" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand open" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand open" -l print -d 'Print the address, in place of opening a browser. Where the service does not begin by itself, it works once and for your account alone'
complete -c countersign -n "__fish_countersign_using_subcommand open" -l json -d 'List the services as JSON'
complete -c countersign -n "__fish_countersign_using_subcommand open" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand ecp" -l cookie-jar -d 'Write the cookies of the service\'s session to this file, readable by you alone, in the format of curl' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand ecp" -l ca-file -d 'Trust the CA certificates in this PEM file as well' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand ecp" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand ecp" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand ecp" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand ecp" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand ecp" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand prove" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand prove" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand prove" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand prove" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand prove" -l print -d 'Print the address of that page, in place of opening a browser'
complete -c countersign -n "__fish_countersign_using_subcommand prove" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand sign-out" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-out" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-out" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-out" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand sign-out" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand break-glass" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand break-glass" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand break-glass" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand break-glass" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand break-glass" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand deregister" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand deregister" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand deregister" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand deregister" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand deregister" -l local -d 'Tell nobody, and forget: for a device whose portal is gone. The portal shows the device until it is removed there'
complete -c countersign -n "__fish_countersign_using_subcommand deregister" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand whoami" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand whoami" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand whoami" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand whoami" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand whoami" -l json -d 'As JSON'
complete -c countersign -n "__fish_countersign_using_subcommand whoami" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l bundle -d 'Write a zip for support. People, hosts, addresses and serials are replaced; there is never a secret in it' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l encrypt-to -d 'Encrypt the zip to this public key of `age`, in place of the option `supportKey`' -r
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l json -d 'As JSON'
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l preview -d 'Print everything that the zip would hold, and write nothing'
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l allow -d 'Let the portal have the diagnostics that it asks for; they are made and sent now'
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l deny -d 'Refuse the portal\'s request'
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -l full -d 'Leave names and addresses in the zip as they are'
complete -c countersign -n "__fish_countersign_using_subcommand diagnostics" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand logs" -s n -l lines -d 'How many lines from the end' -r
complete -c countersign -n "__fish_countersign_using_subcommand logs" -l level -d 'Only lines of this level and above: `error`, `warn`, `info`, `debug`' -r
complete -c countersign -n "__fish_countersign_using_subcommand logs" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand logs" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand logs" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand logs" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand logs" -l json -d 'The lines as they are kept: one JSON object each'
complete -c countersign -n "__fish_countersign_using_subcommand logs" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand facts" -l config -d 'The configuration file, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand facts" -l policy -d 'The file in which the device\'s management speaks, in place of the system\'s' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand facts" -l state-dir -d 'The directory for the key and the state, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand facts" -l runtime-dir -d 'The directory for the local channel, in place of the system\'s or the user\'s own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand facts" -l json -d 'As JSON'
complete -c countersign -n "__fish_countersign_using_subcommand facts" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "run" -d 'Run the agent in the foreground; this is what service managers start'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "service" -d 'Install, remove, start or stop the service, or show how it stands'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "installer"
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "configure" -d 'Set install options, in the spelling of any installer; with nothing behind it, list them'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "params" -d 'Show the effective options and where each comes from; change one without installing again'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "status" -d 'Show who is signed in, until when, and what to do where something is wrong'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "sign-in" -d 'Sign in now, or get a Response for a service'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "open" -d 'List the services that you may open, or open one in your browser, signed in'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "ecp" -d 'Get a page of a service that speaks ECP, or its session\'s cookies: for programs that are no browser'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "prove" -d 'Prove once, on this device, who you are: in your browser, or with a one-time code'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "sign-out" -d 'End your own session with the portal; `sign-in` begins another'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "break-glass" -d 'Type in the code that support has read out: for a while local software is told to let this device through, portal or not'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "deregister" -d 'Leave the cloud: tell the portal, and forget key, state and token'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "whoami" -d 'Show who the operating system says is logged in, the name that is made from it, and why'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "diagnostics" -d 'Find out what is wrong, why, and what to do; works with the agent dead and the network down'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "logs" -d 'Show the agent\'s own log'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "facts" -d 'Show the facts about this device, where each was read, and whether it is sent'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from run service installer configure params status sign-in open ecp prove sign-out break-glass deregister whoami diagnostics logs facts help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "install" -d 'Register the service, so that it starts with the machine; nothing is started yet'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "uninstall" -d 'Stop the service and remove it. Key, state and options stay'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "start" -d 'Start the service and wait until it runs'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "stop" -d 'Stop the service and wait until it has stopped'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "status" -d 'Show how the service stands; ends with 0 where it runs, and with 3 where it does not'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from installer" -f -a "options" -d 'Read `PROPERTY=value` lines from standard input and keep them as install options'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from params" -f -a "list" -d 'Show every option, its value (secrets are not shown) and its origin'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from params" -f -a "get" -d 'Show one option'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from params" -f -a "set" -d 'Set one option for this device, over what the installer and the configuration file say; a running agent works with it at once'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from params" -f -a "unset" -d 'Take back what `params set` said about an option'
