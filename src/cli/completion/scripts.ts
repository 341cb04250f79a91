import { programs } from '../programs.js';

/*
 * Each shell asks `everthaw complete-words` at every press of the key, so that there is one reader of the definitions and nothing to
 * install anew when a command changes. Its first line says whether names of files or directories may come too, each other one is a
 * word, a tab and what it means.
 */

const SCRIPTS = {
  // Bash makes words of their own of `:` and `=`: they are put together again, and what was before the last one is taken off.
  bash: (names: readonly string[]) => `_everthaw() {
  local -a words=() answer
  local word glued='' begun before
  for word in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if [[ \${#words[@]} -gt 0 && ( $word == [:=] || -n $glued ) ]]; then words[-1]+=$word; else words+=("$word"); fi
    if [[ $word == [:=] ]]; then glued=1; else glued=''; fi
  done
  begun=\${COMP_WORDS[COMP_CWORD]}
  if [[ $begun == [:=] ]]; then begun=''; fi
  before=\${words[-1]%"$begun"}
  mapfile -t answer < <(everthaw complete-words -- "\${words[0]##*/}" "\${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  for word in "\${answer[@]:1}"; do
    word=\${word%%$'\\t'*}
    COMPREPLY+=("\${word#"$before"}")
  done
  case \${answer[0]} in
    files) compopt -o filenames 2>/dev/null; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$begun") ;;
    directories) compopt -o filenames 2>/dev/null; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$begun") ;;
  esac
}
complete -F _everthaw ${names.join(' ')}
`,
  zsh: (names: readonly string[]) => `_everthaw() {
  local -a answer told
  local line
  answer=("\${(@f)$(everthaw complete-words -- "\${words[1]:t}" "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${(@)answer[2,-1]}"; do
    told+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( \${#told} )) && _describe 'everthaw' told
  case \${answer[1]} in
    files) compset -P '*='; _files ;;
    directories) compset -P '*='; _files -/ ;;
  esac
}
compdef _everthaw ${names.join(' ')}
`,
  fish: (names: readonly string[]) => `function __everthaw_complete
  set -l tokens (commandline --tokenize --cut-at-cursor --current-process)
  set -l begun (commandline --current-token --cut-at-cursor)
  set -l answer (everthaw complete-words -- (basename $tokens[1]) $tokens[2..-1] "$begun" 2>/dev/null)
  string join \\n -- $answer[2..-1]
  switch "$answer[1]"
    case files
      __fish_complete_path (string replace --regex -- '^--[^=]*=' '' $begun)
    case directories
      __fish_complete_directories (string replace --regex -- '^--[^=]*=' '' $begun)
  end
end
for program in ${names.join(' ')}
  complete --command $program --no-files --arguments '(__everthaw_complete)'
end
`,
} as const;

/** What a shell is to read. */
export function scriptFor(shell: keyof typeof SCRIPTS): string {
  return SCRIPTS[shell](programs().map((program) => program.name()));
}
