bats_require_minimum_version 1.5.0

# The words at the beginning of the parser's tables: { "name", ...
keys() {
  sed -n 's/.*{ "\([a-z_-]*\)", \(FLAG\|SIZE\|COUNT\|ENGINE\|SECONDS\|PATH\|NAME\|DEAD\).*/\1/p' \
    "$top_srcdir/core/sess/conf_vcl.c"
  sed -n '/^} sapi_key/,/^};/p' "$top_srcdir/core/sess/conf_stanza.c" |
    grep -o '{ "[a-z-]*", set_' | cut -d'"' -f2
  printf '%s\n' include application-id use
}

@test "every key is in the manual" {
  [ "$(keys | wc -l)" -gt 35 ]
  while read -r key; do
    grep -qE "^\.It Ic $key( |$)" "$top_srcdir/conf/sapi.conf.5" ||
      { echo "$key is not in sapi.conf.5"; return 1; }
  done <<< "$(keys)"
}

@test "every key is in sapi.conf, commented out" {
  while read -r key; do
    grep -qE "^ +#$key( |$)" "$top_srcdir/conf/sapi.conf" ||
      { echo "$key is not in sapi.conf"; return 1; }
  done <<< "$(keys)"
  # and nothing is in force
  run -1 grep -vE '^ *(#|$)|^(vcl|sapi) \{$|^\}$' "$top_srcdir/conf/sapi.conf"
}

@test "stock VCL can read sapi.conf" {
  # it scans the whole file for this word, and wants M or G behind it
  run -0 grep -oE '(^|[[:space:]#])heapsize [0-9]+.' "$top_srcdir/conf/sapi.conf"
  [ "${#lines[@]}" -eq 1 ]
  [[ ${lines[0]} == *[MG] ]]
  # and reads from vcl to the first closing line
  [ "$(grep -n '^vcl {' "$top_srcdir/conf/sapi.conf" | cut -d: -f1)" -lt \
    "$(grep -n '^sapi {' "$top_srcdir/conf/sapi.conf" | cut -d: -f1)" ]
}

@test "the manual pages have no faults" {
  command -v groff > /dev/null || skip "no groff"
  for page in "$top_srcdir"/{conf,core,daemon,preload,tool}/*.[1-8]; do
    [ -e "$page" ] || continue
    run -0 groff -mdoc -Tutf8 -ww -z "$page"
    [ -z "$output" ] || { echo "$output"; return 1; }
  done
}

# units KIND FILE: what systemd has to say about it
units() {
  XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR systemd-analyze verify --man=no "--$1" "$2" 2>&1
}

@test "systemd takes the units" {
  command -v systemd-analyze > /dev/null || skip "no systemd-analyze"
  unit=$BATS_TEST_TMPDIR/sapid.service
  for kind in system user; do
    printf '[Service]\nExecStart=/bin/true\n' > "$unit"
    units $kind "$unit" || skip "systemd-analyze does not work here"
    sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' \
      "$top_builddir/conf/$kind/sapid.service" > "$unit"
    run -0 units $kind "$unit"
    [ -z "$output" ] || { echo "$output"; return 1; }
  done
}
