/** Real programs on a mounted vault; what they made is compared after mounting it again. */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { hasProgram, MountedVault } from "../support/mounted_vault.ts";
import type { VaultOrder } from "../support/vault_program.ts";

const reason = whyNoMount();

interface Needs {
  /** Programs without which the test is skipped. */
  readonly needs?: readonly string[];
  readonly tweaks?: Partial<VaultOrder>;
}

async function programTest(
  name: string,
  { needs = [], tweaks = {} }: Needs,
  body: (vault: MountedVault) => Promise<void>,
): Promise<void> {
  let why = reason;
  for (const program of needs) if (!(await hasProgram(program))) why ||= `no ${program} here`;
  Deno.test({
    name: `mount: ${name}${why && `: ${why}`}`,
    ignore: why !== "",
    async fn() {
      await using vault = await MountedVault.create(tweaks);
      await body(vault);
    },
  });
}

await programTest("git", { needs: ["git"] }, async (vault) => {
  await vault.ok(`
    export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
    git config --global user.email a@b; git config --global user.name a
    git init -q repo; cd repo
    for i in $(seq 150); do mkdir -p d$((i % 7)); head -c $((i * 97)) /dev/urandom > d$((i % 7))/f$i; done
    git add .; git commit -qm first; git mv d1 moved; echo x >> d2/f2; git commit -qam second
    git gc -q --aggressive; git fsck --strict; git checkout -q HEAD~1; git checkout -q -
    git clone -q . ../clone; git status --porcelain | wc -l`);
  await vault.remount();
  const out = await vault.ok(`
    export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
    cd repo; git fsck --strict 2>&1; git status --porcelain; diff -r --exclude .git . ../clone; git log --oneline | wc -l`);
  assert.equal(out.split("\n").at(-1), "2");
});

await programTest("SQLite, rollback journal and WAL", { needs: ["sqlite3"] }, async (vault) => {
  for (const mode of ["delete", "truncate", "wal"]) {
    await vault.ok(`
      sqlite3 ${mode}.db 'pragma journal_mode=${mode}; create table t(i integer primary key, b blob)' > /dev/null
      writer() { for i in $(seq 20); do
        echo "pragma busy_timeout=20000; begin immediate; insert into t(b) select randomblob(2000) from generate_series(1,25); commit;"
      done | sqlite3 ${mode}.db > /dev/null; }
      reader() { for i in $(seq 20); do
        n=$(sqlite3 -cmd '.timeout 20000' ${mode}.db 'select count(*) % 25 from t'); test "$n" = 0
      done; }
      writer & a=$!; writer & b=$!; reader & c=$!; reader & d=$!
      for p in $a $b $c $d; do wait $p; done`);
  }
  await vault.remount();
  const out = await vault.ok(`
    for m in delete truncate wal; do sqlite3 $m.db 'pragma integrity_check; select count(*) from t'; done`);
  assert.equal(out, "ok\n1000\nok\n1000\nok\n1000");
});

/** Makes a tree with every kind of thing in it, below /tmp/$$.tree; `$t` is its path. */
const STRANGE_TREE = `
  t=$(mktemp -d); trap 'rm -rf "$t" "$t".*' EXIT; mkdir $t/src; s=$t/src
  for i in $(seq 60); do mkdir -p $s/d$((i % 5)); head -c $((i * i * 37)) /dev/urandom > $s/d$((i % 5))/f$i; done
  ln $s/d1/f1 $s/d2/linked; ln -s ../nowhere $s/d3/sym; mkfifo $s/fifo; mknod $s/null c 1 3; : > $s/empty
  truncate -s 5M $s/sparse; echo end >> $s/sparse; chmod 6751 $s/d0/f5; chown 12:34 $s/d1/f6 
  touch -d '1999-12-31 23:59:59.123456789' $s/d0/f10 $s/d4; touch -h -d '2001-02-03' $s/d3/sym
  printf x > "$s/d0/$(printf 'new\\nline \\377')"`;

/** A function that lists everything below a directory with what tar and cp keep. */
const LIST = `list() { (cd $1
  find . ! -type d -printf '%P %y %m %U:%G %s %n %T@ %l\\n'
  find . -mindepth 1 -type d -printf '%P %m %U:%G %T@\\n') | LC_ALL=C sort; }`;

await programTest("tar and cp -a", { needs: ["tar"] }, async (vault) => {
  await vault.ok(`${STRANGE_TREE}
    tar -C $s --format=posix -cf $t/a.tar .; mkdir tar; tar -C tar -xpf $t/a.tar; cp -a $s cp; cp $t/a.tar .
    ${LIST}
    list $s > list; for c in tar cp; do list $c | cmp - list; done`);
  await vault.remount();
  await vault.ok(`
    ${LIST}
    for c in tar cp; do list $c | cmp - list; tar -C $c -df a.tar; done
    test $(du -k cp/sparse | cut -f1) -lt 100`);
});

await programTest(
  "rsync -aHAX, which then has nothing to do",
  { needs: ["rsync"] },
  async (vault) => {
    const changes = await vault.ok(`${STRANGE_TREE}
    setfattr -n user.a -v b $s/empty 2>/dev/null || true
    rsync -aHAX $s/ copy/; rsync -aHAX copy/ again/; rsync -aHAXc --itemize-changes $s/ copy/`);
    assert.equal(changes, "");
    await vault.remount();
    assert.equal(await vault.ok("rsync -aHAXc --itemize-changes copy/ again/"), "");
  },
);

await programTest("editors that write beside and rename over", {}, async (vault) => {
  await vault.ok(`
    echo one > a; chmod 640 a
    for i in $(seq 50); do cp -p a .a.swp; echo $i >> .a.swp; sync .a.swp; mv .a.swp a; done
    for i in $(seq 20); do sed -i "s/^$i\\$/line $i/" a; done
    if command -v ed > /dev/null; then printf '1c\\nfirst\\n.\\nw\\nq\\n' | ed -s a; fi
    if command -v vim > /dev/null; then vim -es -u NONE -c 'normal Golast' -c wq a < /dev/null; fi
    ls -A | wc -l; stat -c %a a; grep -c line a; wc -l < a; cp a /dev/null; cksum < a > sum`);
  await vault.remount();
  await vault.ok("cksum < a | cmp - sum; grep -q '^50$' a; grep -q '^line 20$' a");
});

await programTest("running and mapping programs", {}, async (vault) => {
  await vault.ok(`
    cp "$(command -v ls)" list; ./list > /dev/null
    printf '#!/bin/sh\\necho script "$@"\\n' > script; chmod 755 script; test "$(./script a)" = "script a"
    chmod 644 list; if ./list 2> /dev/null; then exit 1; fi; chmod 755 list`);
  await vault.remount();
  await vault.ok("./list > /dev/null; cmp list $(command -v ls); ./script");
});

await programTest("a sparse file of 100 GiB", {}, async (vault) => {
  const out = await vault.ok(`
    truncate -s 100G big; echo start | dd of=big conv=notrunc status=none
    echo middle | dd of=big bs=1G seek=50 conv=notrunc status=none
    printf end | dd of=big bs=1 seek=107374182397 conv=notrunc status=none
    stat -c %s big; tail -c 3 big; echo; dd if=big bs=1G skip=50 count=1 status=none | head -c 6; echo
    test $(du -k big | cut -f1) -lt 200 && echo small`);
  assert.equal(out, "107374182400\nend\nmiddle\nsmall");
  await vault.remount();
  assert.equal(
    await vault.ok(
      "head -c 5 big; tail -c 3 big",
    ),
    "startend",
  );
});

await programTest("read-only", {}, async (vault) => {
  await vault.ok("echo text > a; mkdir d; ln -s a l; sync");
  await vault.remount({ readOnly: true });
  const out = await vault.ok(`
    cat a; cat l; ls | tr '\\n' ' '; echo
    for c in 'touch b' 'rm a' 'mv a b' 'mkdir e' 'chmod 600 a' 'ln a b' 'truncate -s 0 a' 'setfattr -n user.x -v y a'; do
      if $c 2> /tmp/$$.err; then echo "$c worked"; else grep -q -e 'Read-only' -e 'not found' /tmp/$$.err; fi; done
    rm -f /tmp/$$.err`);
  assert.equal(out, "text\ntext\na d l");
});

await programTest("a small vault runs full, and removing makes room", {
  tweaks: { sizeBytes: 48 * 2 ** 20 },
}, async (vault) => {
  const out = await vault.ok(`
    if dd if=/dev/urandom of=big bs=64k 2> /tmp/$$.err; then echo never full; fi
    grep -o 'No space left' /tmp/$$.err; rm -f /tmp/$$.err
    i=0; while echo small > small$i 2> /dev/null; do i=$((i + 1)); test $i -lt 100000; done
    cksum < big > /dev/null; rm big; echo room > after; cat after
    dd if=/dev/urandom of=again bs=64k count=200 status=none; sync; cksum < again > sum; df -k . | tail -1 | wc -l`);
  assert.equal(out, "No space left\nroom\n1");
  await vault.remount();
  await vault.ok("cksum < again | cmp - sum; cat after; rm again small*; test ! -e small0");
});

await programTest("a medium that loses its end", {}, async (vault) => {
  await vault.ok("head -c 20000000 /dev/urandom > a; echo kept > b; sync a");
  await vault.remount();
  await vault.ok("cat b");
  await Deno.truncate(vault.path, 9 * 2 ** 20);
  for (let round = 0; round < 2; round++) {
    const out = await vault.ok(
      "cat a 2>&1 > /dev/null | grep -o 'Input/output error'; cat b; ls | wc -l",
    );
    assert.equal(out, "Input/output error\nkept\n2");
  }
});
