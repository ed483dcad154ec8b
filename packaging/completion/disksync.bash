# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2207,SC2086 # lists of words; a command may be two
# disksync.bash - completion for bash. It knows nothing of disksync by itself: commands and options
# are asked of the program on each use (`disksync --completion`, `disksync COMMAND --help`), so it
# always fits the version that is installed. Needs no library; bash 4 or later.

# The words that may stand for a placeholder of --help, into COMPREPLY.
_disksync_value() { # PLACEHOLDER CURRENT
    local IFS=$'\n'
    case $1 in
    FILE | POLICY | TARGET | DISK | PATH)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$2"))
        ;;
    FOLDER)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$2"))
        ;;
    POINT) COMPREPLY=($(compgen -W latest -- "$2")) ;;
    *'|'*) COMPREPLY=($(compgen -W "${1//|/$'\n'}" -- "$2")) ;;
    esac
}

# Offers the placeholder's words if --help shows one behind the option; fails if it is a flag.
_disksync_option() { # PROGRAM COMMAND OPTION CURRENT
    local line words
    while IFS= read -r line; do
        read -ra words <<<"$line"
        [ "${words[0]:-}" = "$3" ] || continue
        # a flag's help begins in its own column, a placeholder right behind the option
        [[ ${line#*"$3"} == ' '[!\ ]* ]] || return 1
        _disksync_value "${words[1]}" "$4"
        return 0
    done < <("$1" $2 --help 2>/dev/null)
    return 1
}

# Operands, by the placeholder in the usage line.
_disksync_operand() { # PROGRAM COMMAND CURRENT
    local usage
    read -r usage < <("$1" $2 --help 2>/dev/null)
    case ${usage##*'[OPTION]...'} in
    *PATH*) _disksync_value PATH "$3" ;;
    *CODE*) COMPREPLY=($(compgen -W "$("$1" explain 2>/dev/null | cut -d' ' -f1)" -- "$3")) ;;
    esac
}

_disksync() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]}
    local option=${COMP_WORDS[COMP_CWORD-1]} line name options='' command='' first='' second='' i
    local firsts=() seconds=()
    COMPREPLY=()
    # bash takes --option=value for three words
    if [ "$current" = = ]; then
        current=''
    elif [ "$option" = = ]; then
        option=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD && i < 3; i++)); do
        case ${COMP_WORDS[i]} in
        -*) break ;;
        esac
        if [ $i = 1 ]; then first=${COMP_WORDS[i]}; else second=${COMP_WORDS[i]}; fi
    done
    while IFS= read -r line; do
        name=${line%%:*}
        firsts+=("${name%% *}")
        [ "${name%% *}" = "$first" ] && [ "$name" != "$first" ] && seconds+=("${name#* }")
        if [ "$name" = "$first" ] || [ "$name" = "$first $second" ]; then
            command=$name
            options=${line#*:}
        fi
    done < <("$program" --completion 2>/dev/null)
    if [ -z "$first" ]; then
        COMPREPLY=($(compgen -W "$(printf '%s\n' "${firsts[@]}" | sort -u)" -- "$current"))
    elif [ -z "$command" ]; then
        [ -n "$second" ] || COMPREPLY=($(compgen -W "${seconds[*]}" -- "$current"))
    elif [[ $option == --* ]] && _disksync_option "$program" "$command" "$option" "$current"; then
        :
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
    else
        _disksync_operand "$program" "$command" "$current"
    fi
}

complete -F _disksync disksync
