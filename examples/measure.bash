# measure.bash - what examples/quickstart and examples/bench share
# shellcheck shell=bash
# shellcheck disable=SC2154 # $top and $tree are the caller's and setup.bash's
#
# To be sourced after tests/setup.bash. Descriptor 3 is where the table goes.

# as_caller ARG...: through sudo, go on as who called sudo
as_caller() {
  [ "$(id -u)" = 0 ] && [ "${SUDO_USER:-root}" != root ] || return 0
  run_cleanups
  exec setpriv --reuid "$SUDO_USER" --regid "$(id -g "$SUDO_USER")" \
    --init-groups "$top/examples/${0##*/}" "$@" >&3
}

# built TARGET...: $build is configured, and these are made in it
built() {
  usable_tree
  build=$tree/build
  if [ ! -e "$build/Makefile" ]; then
    configured build || die "cannot configure"
  fi
  # make -q says no for ever, because of config.h's rule
  if make -n -C "$build" "$@" 2>&1 | grep -e " -o " > /dev/null; then
    say "Building"
  fi
  quietly make -C "$build" -j"$(nproc)" "$@" || die "cannot build"
}

# figure SCENARIO METRIC WAY NUMBER: one that was measured; false if it's none
figure() {
  [[ $4 =~ ^[0-9]*\.?[0-9]+(e[-+]?[0-9]+)?$ ]] || return 1
  printf '%s\t%s\t%s\t%s\n' "$@" >> "$work/figures"
}

# medians: by line scenario, metric, kernel, libsapi, ratio; then kernel's and
# libsapi's least and greatest, AF_UNIX, VPP, libsapi on VPP; "-" is what was not
# measured
medians() {
  awk -F '\t' -v OFS='\t' '
    function sorted(key, n, i, j, t) {
      n = split(figures[key], a, " ")
      for (i = 2; i <= n; i++)
        for (j = i; j > 1 && a[j] + 0 < a[j - 1] + 0; j--) {
          t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
        }
      return n
    }
    function median(key, n) {
      n = sorted(key)
      least = n ? a[1] : "-"; most = n ? a[n] : "-"
      if (!n) return "-"
      return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    }
    !(($1, $2) in seen) { seen[$1, $2]; order[++lines] = $1 FS $2 }
    { key = $1 FS $2 FS $3; figures[key] = figures[key] " " $4 }
    END {
      for (i = 1; i <= lines; i++) {
        k = median(order[i] FS "kernel"); spread = least OFS most
        l = median(order[i] FS "libsapi"); spread = spread OFS least OFS most
        print order[i], k, l, (k > 0 && l != "-" ? sprintf("%.4g", l / k) : "-"),
          spread, median(order[i] FS "unix"), median(order[i] FS "vpp"),
          median(order[i] FS "onvpp")
      }
    }' "$work/figures"
}
