bats_require_minimum_version 1.5.0
load helpers

# What a program outside sees: the library, its header, its manual and its
# pkg-config file as installed.

setup_file() {
  export ROOT=$BATS_FILE_TMPDIR/root
  [ -z "$SANITIZER_RUNTIME" ] || return 0
  # this is a make inside make check, which must not talk to the outer one
  env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS \
    make -C "$top_builddir" install DESTDIR="$ROOT" \
    > "$BATS_FILE_TMPDIR/install.log" 2>&1 3>&- ||
    { tail -20 "$BATS_FILE_TMPDIR/install.log"; false; }
  pc=$(find "$ROOT" -name libsapi.pc)
  export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$ROOT
}

setup() {
  [ -z "$SANITIZER_RUNTIME" ] || skip "instrumented build"
}

teardown() { stop_all; }

# build COMPILER OUTPUT SOURCE...: as the comment in an example says
build() {
  local compiler=$1 out=$2
  shift 2
  # shellcheck disable=SC2046
  $compiler -Wall -Wextra -Werror -o "$out" "$@" \
    $(pkg-config --cflags --libs libsapi) -pthread
}

libdir() { pkg-config --variable=libdir libsapi; }

@test "pkg-config knows the library" {
  need pkg-config
  [ "$(pkg-config --modversion libsapi)" = "$(sed -n \
    "s/^#define PACKAGE_VERSION \"\(.*\)\"/\1/p" "$top_builddir/config.h")" ]
  [ -e "$ROOT$(libdir)/libsapi.so" ] || [ -e "$(libdir)/libsapi.so" ]
}

@test "each example builds against the installed library and runs" {
  need pkg-config
  local name lib
  for name in echo_server echo_client epoll_server; do
    build "${CC:-cc}" "$BATS_TEST_TMPDIR/$name" "$top_srcdir/examples/$name.c"
  done
  lib=$(dirname "$(find "$ROOT" -name libsapi.so)")
  export LD_LIBRARY_PATH=$lib SAPI_SOCKET=$BATS_TEST_TMPDIR/none
  serve bare "$BATS_TEST_TMPDIR/echo_server" 127.0.0.1 0
  within 10 grep -q '^port ' "$server_log"
  run -0 "$BATS_TEST_TMPDIR/echo_client" 127.0.0.1 \
    "$(sed -n 's/^port //p' "$server_log")" 100 100
  [[ $output == "100 messages of 100 bytes through the kernel"* ]]
}

@test "a C++ program builds against the installed library" {
  need pkg-config c++
  cat > "$BATS_TEST_TMPDIR/a.cc" << 'END'
#include <sapi.h>
#include <cstring>
int main()
{
	sapi_options options = {};

	options.size = sizeof(options);
	options.rules = "use os any *:*";
	(void)sapi_attach(&options);
	return std::strlen(sapi_version()) == 0 || sapi_close(-1) == 0;
}
END
  build c++ "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/a.cc"
  LD_LIBRARY_PATH=$(dirname "$(find "$ROOT" -name libsapi.so)") \
    "$BATS_TEST_TMPDIR/a"
}

@test "a C program of 1999 builds against the installed library" {
  need pkg-config
  cat > "$BATS_TEST_TMPDIR/a.c" << 'END'
#include <sapi.h>
int main(void) { return sapi_version()[0] == 0; }
END
  build "${CC:-cc} -std=c99 -pedantic" "$BATS_TEST_TMPDIR/a" \
    "$BATS_TEST_TMPDIR/a.c"
}

@test "the manual of each function is installed" {
  local name
  while read -r name; do
    find "$ROOT" -path '*/man3/*' -name '*.3' -exec grep -lx ".Nm $name\( ,\)\?" {} + |
      grep -q . || { echo "$name"; return 1; }
  done < <(grep -o '^[[:space:]]*sapi_[a-z_]*' "$top_srcdir/core/libsapi.map")
}
