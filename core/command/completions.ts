import type { Command } from "commander";
import { VaultError } from "../errors.ts";

/** A verb with its options and what is below it. */
interface Verb {
  readonly name: string;
  readonly description: string;
  readonly options: readonly VerbOption[];
  readonly verbs: readonly Verb[];
  /** What its first argument may be, if that is one of a few words. */
  readonly words: readonly string[];
}

interface VerbOption {
  readonly flag: string;
  readonly description: string;
  /** What its value may be; empty where it is anything, or has none. */
  readonly choices: readonly string[];
}

/** A completion script that knows every verb and option of `program`. */
export function completions(shell: string, program: Command): string {
  const { verbs: all } = verbOf(program);
  const named = all.map(({ name }) => name);
  const verbs = all.map((verb) => verb.name === "help" ? { ...verb, words: named } : verb);
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
    .filter((sub) => command.parent === null || sub.name() !== "help").map(verbOf);
  const options = command.createHelp().visibleOptions(command).flatMap((option) => {
    const flag = option.long;
    if (flag === undefined || flag === null) return [];
    return [{ flag, description: option.description, choices: option.argChoices ?? [] }];
  });
  const [first] = command.registeredArguments;
  const words = first?.argChoices ?? shown.map((verb) => verb.name);
  return { name: command.name(), description: command.description(), options, verbs: shown, words };
}

function bash(verbs: readonly Verb[]): string {
  const words = (list: readonly { name: string }[]) => list.map(({ name }) => name).join(" ");
  const flags = ({ options }: Verb) => options.map(({ flag }) => flag).join(" ");
  const cases = verbs.map((verb) => {
    const below = verb.verbs.map((sub) =>
      `      ${verb.name}:${sub.name}) flags="${flags(sub)}" ;;`
    );
    const own = verb.words.length > 0 ? ` words="${verb.words.join(" ")}"` : "";
    return [...below, `      ${verb.name}:*) flags="${flags(verb)}"${own} ;;`].join("\n");
  }).join("\n");
  const chosen = verbs.flatMap((verb) => [
    ...verb.verbs.flatMap((sub) => choicesOf(`${verb.name}:${sub.name}`, sub)),
    ...choicesOf(`${verb.name}:*`, verb),
  ]).join("\n");
  return `_sigmavault() {
  local current="\${COMP_WORDS[COMP_CWORD]}" verb="\${COMP_WORDS[1]}" flags="" words="" values=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words(verbs)} --help --version" -- "$current"))
    return
  fi
  case "$verb:\${COMP_WORDS[2]}" in
${cases}
  esac
  case "$verb:\${COMP_WORDS[2]} \${COMP_WORDS[COMP_CWORD-1]}" in
${chosen}
  esac
  if [ -n "$values" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif [[ "$current" == -* ]]; then
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

/** Values of options, by the verb and the word before. */
function choicesOf(place: string, { options }: Verb): string[] {
  return options.filter(({ choices }) => choices.length > 0)
    .map(({ flag, choices }) => `      ${place}\\ ${flag}) values="${choices.join(" ")}" ;;`);
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
    if (verb.verbs.length === 0 && verb.words.length > 0) {
      lines.push(`complete -c sigmavault ${seen} -f -a ${quoted(verb.words.join(" "))}`);
    }
    const options = [verb, ...verb.verbs].flatMap((each) => each.options);
    const unique = new Map(options.map((option) => [option.flag, option]));
    for (const { flag, description, choices } of unique.values()) {
      const values = choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : "";
      lines.push(
        `complete -c sigmavault ${seen} -l ${flag.slice(2)} -d ${quoted(description)}${values}`,
      );
    }
  }
  return lines.join("\n") + "\n";
}
