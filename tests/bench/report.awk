# report.awk - the table of examples/bench, from tests/bench/table and medians()
BEGIN {
  FS = "|"
  columns = "%-26s %-7s %7s %-15s  %7s %-15s %7s  %-9s %-5s%s\n"
}

# figure(V): four digits, and thousands as k, M or G
function figure(v) {
  if (v == "-" || v == "") return "-"
  if (v >= 1e9) return sprintf("%.4gG", v / 1e9)
  if (v >= 1e6) return sprintf("%.4gM", v / 1e6)
  if (v >= 1e4) return sprintf("%.4gk", v / 1e3)
  return sprintf("%.4g", v)
}
function spread(least, most) {
  return least == most ? "" : figure(least) ".." figure(most)
}
# times better, the ratio of the medians; rounded as it is printed
function times(kernel, libsapi, better) {
  if (kernel == "-" || libsapi == "-") return "-"
  if (better == "lower")
    return libsapi > 0 ? sprintf("%.2f", kernel / libsapi) : "-"
  return kernel > 0 ? sprintf("%.2f", libsapi / kernel) : "-"
}
function short_of(limit, libsapi, vpp) {
  if (limit == ">vpp") return vpp != "-" && libsapi + 0 <= vpp + 0
  if (limit ~ /^</) return libsapi + 0 >= substr(limit, 2) + 0
  if (limit ~ /^>/) return libsapi + 0 < substr(limit, 2) + 0
  return 0
}
function line(name, metric, better, least, limit, key,   k, l, gain, word, wish) {
  k = kernel[key]; l = libsapi[key]
  gain = times(k, l, better)
  wish = least (least != "" && limit != "" ? ", " : "") limit
  if (wish == "") word = ""
  else if (gain == "-") word = "-"
  else if ((least != "" && gain + 0 < least + 0) || short_of(limit, l, vpps[key])) word = "short"
  else word = "ok"
  if (word != "") count[word]++
  printf columns, name, metric, figure(k), k_spread[key], figure(l), l_spread[key],
    gain, wish, word, beside(key)
}
function beside(key) {
  return sprintf(" %8s", figure(units[key])) \
    (vpp ? sprintf(" %8s %8s", figure(vpps[key]), figure(ours[key])) : "")
}
function head(name, metric) {
  printf columns, name, metric, "kernel", "min..max", "libsapi", "min..max",
    "times", "at least", "", sprintf(" %8s", "AF_UNIX") (vpp ? sprintf(" %8s %8s", "VPP", "on VPP") : "")
}

FNR == 1 { file++; if (file == 2) FS = "\t"; $0 = $0 }
file == 1 { entry[++entries] = $0; better[$2] = $4; wanted[$2, $3]; next }
{
  key = $1 SUBSEP $2
  kernel[key] = $3; libsapi[key] = $4; units[key] = $10; vpps[key] = $11
  ours[key] = $12
  k_spread[key] = spread($6, $7); l_spread[key] = spread($8, $9)
  if ($2 ~ /^server /) cpu[++cpus] = key
}

END {
  head("scenario", "metric")
  for (i = 1; i <= entries; i++) {
    split(entry[i], f, "|")
    key = f[2] SUBSEP f[3]
    if (key in kernel) line(f[2], f[3], f[4], f[5], f[6], key)
  }
  if (cpus) {
    printf "\n"
    head("server CPU", "us for a")
    for (i = 1; i <= cpus; i++) {
      split(cpu[i], f, SUBSEP)
      sub(/^server us\//, "", f[2])
      line(f[1], f[2], "lower", 1, "", cpu[i])
    }
  }
  printf "\n%d ok, %d short\n", count["ok"], count["short"]
}
