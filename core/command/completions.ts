import type { Command } from "commander";
import { VaultError } from "../errors.ts";

/** A verb with its options and what is below it. */
interface Verb {
  readonly name: string;
  readonly description: string;
  readonly options: readonly { readonly flag: string; readonly description: string }[];
  readonly verbs: readonly Verb[];
}

/** A completion script that knows every verb and option of `program`. */
export function completions(shell: string, program: Command): string {
  const { verbs } = verbOf(program);
  switch (shell) {
    case "bash":
      return bash(verbs);
    case "zsh":
      return `#compdef sigmavault\nautoload -U +X bashcompinit && bashcompinit\n${bash(verbs)}`;
    case "fish":
      return fish(verbs);
    default:
      throw new VaultError(
        "invalid",
        `Cannot complete for "${shell}": known are bash, zsh and fish`,
      );
  }
}

function verbOf(command: Command): Verb {
  const shown = command.createHelp().visibleCommands(command)
    .filter((sub) => sub.name() !== "help").map(verbOf);
  const options = command.createHelp().visibleOptions(command).flatMap((option) => {
    const flag = option.long;
    return flag === undefined || flag === null ? [] : [{ flag, description: option.description }];
  });
  return { name: command.name(), description: command.description(), options, verbs: shown };
}

function bash(verbs: readonly Verb[]): string {
  const words = (list: readonly { name: string }[]) => list.map(({ name }) => name).join(" ");
  const flags = ({ options }: Verb) => options.map(({ flag }) => flag).join(" ");
  const cases = verbs.map((verb) => {
    const below = verb.verbs.map((sub) =>
      `      ${verb.name}:${sub.name}) flags="${flags(sub)}" ;;`
    );
    const own = verb.verbs.length > 0 ? ` words="${words(verb.verbs)}"` : "";
    return [...below, `      ${verb.name}:*) flags="${flags(verb)}"${own} ;;`].join("\n");
  }).join("\n");
  return `_sigmavault() {
  local current="\${COMP_WORDS[COMP_CWORD]}" verb="\${COMP_WORDS[1]}" flags="" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words(verbs)} help --help --version" -- "$current"))
    return
  fi
  case "$verb:\${COMP_WORDS[2]}" in
${cases}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [ "$COMP_CWORD" -eq 2 ] && [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _sigmavault sigmavault
`;
}

function fish(verbs: readonly Verb[]): string {
  const quoted = (text: string) => `'${text.replace(/['\\\\]/g, "\\\\$&")}'`;
  const lines: string[] = [];
  for (const verb of verbs) {
    const first = "-n __fish_use_subcommand";
    lines.push(`complete -c sigmavault ${first} -a ${verb.name} -d ${quoted(verb.description)}`);
    const seen = `-n "__fish_seen_subcommand_from ${verb.name}"`;
    for (const sub of verb.verbs) {
      lines.push(`complete -c sigmavault ${seen} -a ${sub.name} -d ${quoted(sub.description)}`);
    }
    const options = [verb, ...verb.verbs].flatMap((each) => each.options);
    const unique = new Map(options.map((option) => [option.flag, option.description]));
    for (const [flag, description] of unique) {
      lines.push(`complete -c sigmavault ${seen} -l ${flag.slice(2)} -d ${quoted(description)}`);
    }
  }
  return lines.join("\n") + "\n";
}
