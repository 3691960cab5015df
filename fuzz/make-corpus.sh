#!/bin/sh
# Makes the seeds and the corpora anew: fuzz/make-corpus.sh
#
# The keys are made here and thrown away; only their public halves and one signature of each stay. What the fuzzer
# found worth keeping lies beside under its own names and is not touched.
set -eu
cd "$(dirname "$0")"
home=$(mktemp -d)
export GNUPGHOME="$home/gnupg" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME="$home"
export GIT_AUTHOR_NAME=Alice GIT_AUTHOR_EMAIL=alice@example.com GIT_AUTHOR_DATE='1790000000 +0200'
export GIT_COMMITTER_NAME=Alice GIT_COMMITTER_EMAIL=alice@example.com GIT_COMMITTER_DATE='1790000000 +0200'
trap 'gpgconf --kill gpg-agent; rm -rf "$home"' EXIT
mkdir -m 700 "$GNUPGHOME"
for target in commit tag verdict signature certificates allowed_signer config spec tarball patch sources trailers; do
    mkdir -p "corpus/$target"
done
mkdir -p seeds

gpg --batch --quiet --passphrase '' --quick-generate-key 'Alice <alice@example.com>' ed25519 sign never
gpg --batch --quiet --armor --export >seeds/alice.asc
ssh-keygen -q -t ed25519 -N '' -C bob -f "$home/bob"
cp "$home/bob.pub" seeds/bob.pub

repository="$home/repository"
git init -q -b main "$repository"
git() { command git -C "$repository" "$@"; }
tree=$(git write-tree)
plain=$(git commit-tree -m 'Fix overflow' "$tree")
git cat-file commit "$plain" >seeds/payload
openpgp=$(git commit-tree -S -m 'Fix overflow' "$tree")
ssh=$(git -c gpg.format=ssh -c user.signingKey="$home/bob" commit-tree -S -m 'Fix overflow' "$tree")
merge=$(git -c i18n.commitEncoding=ISO-8859-1 commit-tree -p "$plain" -p "$openpgp" -m 'Merge' "$tree")
git cat-file commit "$openpgp" >corpus/verdict/openpgp
git cat-file commit "$ssh" >corpus/verdict/ssh
cp seeds/payload corpus/verdict/unsigned
cp corpus/verdict/* corpus/commit/
git cat-file commit "$merge" >corpus/commit/merge

git tag -a -m 'Release 1.0' v1.0 "$plain"
git cat-file tag v1.0 >corpus/tag/unsigned
sed 's/^tag v1.0/tag v1.1/' corpus/tag/unsigned >corpus/tag/signed
sed -n 's/^gpgsig //p; s/^ //p' corpus/verdict/openpgp >"$home/armour"
sed -n 's/^gpgsig //p; s/^ //p' corpus/verdict/ssh >"$home/ssh-armour"
cat "$home/armour" >>corpus/tag/signed

{ printf a; cat "$home/armour"; } >corpus/signature/armour
{ printf a; cat "$home/ssh-armour"; } >corpus/signature/ssh-armour
{ printf p; gpg --batch --quiet --dearmor <"$home/armour"; } >corpus/signature/packet
{ printf s; grep -v -- ----- "$home/ssh-armour" | base64 -d; } >corpus/signature/ssh-block

cp seeds/alice.asc corpus/certificates/armoured
gpg --batch --export >corpus/certificates/binary
cat seeds/alice.asc seeds/alice.asc >corpus/certificates/twice

key=$(cut -d' ' -f1,2 seeds/bob.pub)
printf '%s' "$key" >corpus/allowed_signer/plain
printf 'bob\nvalid-after="20250101",valid-before="20300101Z" %s a comment' "$key" >corpus/allowed_signer/window
printf '*@example.com,!eve@*\ncert-authority,namespaces="git,file" %s' "$key" >corpus/allowed_signer/authority
printf 'bob\nno-touch-required,verify-required %s' "$key" >corpus/allowed_signer/flags

cat >corpus/config/minimal <<CONFIG
version: 1
source: {repository: "https://forge.example/pkg/hello.git", branch: main}
signing: {keys: [{openpgp: 0123456789ABCDEF0123456789ABCDEF01234567}]}
CONFIG
cat >corpus/config/most <<CONFIG
version: 1
source:
  repository: ssh://git@forge.example/pkg/hello.git
  branch: release/1.x
signing:
  keys:
    - openpgp: 0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567
    - ssh: "$key"
  require: every-commit
  bind: true
population: {mechanism: tag-archive}
tags: {match: 'v(?<version>.*)', require: signed}
release: {auto: keep}
divergence: overwrite
CONFIG
printf 'version: 2\n? [a, &b c]\n: *b\n' >corpus/config/odd

for name in autorelease autopatch autosetup-git autosetup-alternatives; do
    cp "../fixtures/specs/$name.spec" "corpus/spec/$name"
done
printf 'Name: hello\r\n%%global v 1.0\r\nVersion: %%{v}\r\nRelease: 1%%{?dist}\r\n%%if 0%%{?fedora}\r\nEpoch: 1\r\n%%endif\r\n' \
    >corpus/spec/crlf

mkdir -p "$home/hello-1.0/folder"
echo hello >"$home/hello-1.0/folder/file"
ln -s folder/file "$home/hello-1.0/link"
ln "$home/hello-1.0/folder/file" "$home/hello-1.0/hard"
long=$(printf 'long%.0s' $(seq 40))
echo long >"$home/hello-1.0/$long"
for format in gnu pax ustar; do
    tar -C "$home" --format="$format" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 \
        --exclude="$([ $format = ustar ] && echo "$long" || echo none)" -b1 -cf "$home/$format.tar" hello-1.0
done
gzip -n9 <"$home/gnu.tar" >corpus/tarball/gnu.gz
xz -9 <"$home/pax.tar" >corpus/tarball/pax.xz
bzip2 -9 <"$home/ustar.tar" >corpus/tarball/ustar.bz2
head -c 3072 "$home/ustar.tar" >corpus/tarball/cut-off

seq -f 'line %g' 20 >"$repository/a.txt"
ln -s a.txt "$repository/link"
mkdir "$repository/folder"
printf '#!/bin/sh\n\0\n' >"$repository/folder/run"
chmod +x "$repository/folder/run"
git add .
git commit -q -m base
made() {
    git add -A .
    git diff --cached --binary --full-index "$@" >"corpus/patch/$name"
    git reset -q --hard
}
name=text; sed -i 's/line 7/line seven/; $d' "$repository/a.txt"; made
name=binary; printf '\0\1\2\3' >"$repository/folder/run"; made
name=rename; git mv a.txt b.txt; echo more >>"$repository/b.txt"; made -M
name=create; echo new >"$repository/new"; rm "$repository/link"; chmod -x "$repository/folder/run"; made

hash=$(sha512sum <seeds/bob.pub | cut -d' ' -f1)
printf 'SHA512 (hello-1.0.tar.gz) = %s\n' "$hash" >corpus/sources/bsd
printf '%s  hello-1.0.tar.gz\n' "$(md5sum <seeds/bob.pub | cut -d' ' -f1)" >corpus/sources/md5
printf 'SHA256 (a) = %s\n\nSHA512 (b) = %s\n' "$(sha256sum <seeds/bob.pub | cut -d' ' -f1)" "$hash" >corpus/sources/mixed

cat >corpus/trailers/publication <<MESSAGE
Update to 1.2.0-4 from main

- Fix overflow (unsigned)

From-source-git-commit: $plain
Source-git-repository: https://forge.example/pkg/hello.git
Source-git-branch: main
Source-git-signer: openpgp:0123456789ABCDEF0123456789ABCDEF01234567
Dist-git-target: hello#f44
Release-tag: v1.2.0 $plain
Published-EVR: 0:1.2.0-4
Population: archive
Generated-by: lockkeeper 0.1.0
MESSAGE
printf 'Fix\n\nResolves: #1\nChangelog: words\n  go on\n(cherry picked from commit %s)\n' "$plain" >corpus/trailers/people
