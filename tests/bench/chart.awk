# chart.awk - examples/bench's figures as a chart, from tests/bench/table and
# medians(); -v note= what it was measured on
#
# A bar by line of the table: how many times better than the kernel, by a
# logarithmic axis; to the left of 1 is worse. The mark is what is wanted.
BEGIN {
  FS = "|"
  left = 230; right = 190; width = 1040; top = 92; step = 21; bar = 13
}
function log10(v) { return log(v) / log(10) }
function x_of(v) {
  return sprintf("%.1f", left + (log10(v) - low) / (high - low) * (width - left - right))
}
function escaped(s) {
  gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); gsub(/>/, "\\&gt;", s)
  return s
}
function text(x, y, class, s) {
  printf "<text x=\"%s\" y=\"%s\" class=\"%s\">%s</text>\n", x, y, class, escaped(s)
}
function vertical(x, from, to, class) {
  printf "<path d=\"M%s %sV%s\" class=\"%s\"/>\n", x, from, to, class
}
function times(k, l, better) {
  if (k == "-" || l == "-" || k <= 0 || l <= 0) return 0
  return better == "lower" ? k / l : l / k
}
function add(name, gain, least, limit, class, value) {
  if (!gain) return
  bars++
  label[bars] = name; gains[bars] = gain; wanted[bars] = least; kind[bars] = class
  limits[bars] = limit ~ /^[<>][0-9]/ ? limit : ""; own[bars] = value
  if (gain > most) most = gain
  if (least > most) most = least
  if (gain < least_gain || !least_gain) least_gain = gain
}
# met(I): what is wanted of bar I, as the table tells it
function met(i) {
  if (wanted[i] != "" && sprintf("%.2f", gains[i]) + 0 < wanted[i] + 0) return 0
  if (limits[i] ~ /^</) return own[i] + 0 < substr(limits[i], 2) + 0
  if (limits[i] ~ /^>/) return own[i] + 0 >= substr(limits[i], 2) + 0
  return 1
}
function draw(i, y,   from, to) {
  from = x_of(gains[i] < 1 ? gains[i] : 1); to = x_of(gains[i] < 1 ? 1 : gains[i])
  text(left - 8, y + bar - 2, "name", label[i])
  printf "<rect x=\"%s\" y=\"%s\" width=\"%.1f\" height=\"%s\" class=\"%s%s\"/>\n",
    from, y, to - from < 1 ? 1 : to - from, bar, kind[i], met(i) ? "" : " short"
  if (wanted[i] != "") vertical(x_of(wanted[i]), y - 3, y + bar + 3, "mark")
  # right of both, or a mark would cross it
  if (wanted[i] != "" && wanted[i] > gains[i] && wanted[i] >= 1) to = x_of(wanted[i])
  text(to + 6, y + bar - 2, "ratio", sprintf("%.3g", gains[i]) \
    (limits[i] == "" ? "" : sprintf(" (%.3g, wanted %s)", own[i], limits[i])))
}

FNR == 1 { file++; if (file == 2) FS = "\t"; $0 = $0 }
file == 1 { entry[++entries] = $0; next }
{ kernel[$1, $2] = $3; libsapi[$1, $2] = $4; if ($2 ~ /^server /) cpu[++cpus] = $1 SUBSEP $2 }

END {
  for (i = 1; i <= entries; i++) {
    split(entry[i], f, "|")
    if ((f[2], f[3]) in kernel)
      add(f[2] ", " f[3], times(kernel[f[2], f[3]], libsapi[f[2], f[3]], f[4]),
        f[5], f[6], "speed", libsapi[f[2], f[3]])
  }
  speeds = bars
  for (i = 1; i <= cpus; i++) {
    split(cpu[i], f, SUBSEP)
    add(f[1], times(kernel[cpu[i]], libsapi[cpu[i]], "lower"), 1, "", "cpu", "")
  }
  # whole decades would leave half of it empty
  low = log10(least_gain < 0.5 ? least_gain : 0.5) - 0.05
  high = log10(most > 10 ? most : 10) + 0.1
  gap = bars > speeds ? 40 : 0
  bottom = top + bars * step + gap
  height = bottom + 50
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
    width, height, width, height
  print "<style>text{font:12px sans-serif;fill:#222}.title{font-size:17px;font-weight:bold}" \
    ".note{font-size:11px;fill:#666}.name{text-anchor:end}.ratio{font-weight:bold}" \
    ".head{font-weight:bold;text-anchor:end}.tick{text-anchor:middle;fill:#666}" \
    ".speed{fill:#2f6db3}.cpu{fill:#5a9e6f}.short{fill:#c9803a}.grid{stroke:#e3e3e3}" \
    ".one{stroke:#222}.mark{stroke:#b00020;stroke-width:3}</style>"
  print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
  text(14, 26, "title", "libsapi beside kernel TCP: how many times better")
  lines = split(note, part, "\n")
  for (i = 1; i <= lines; i++) text(14, 28 + 15 * i, "note", part[i])
  ticks = split("0.1 0.2 0.5 1 2 5 10 20 50 100 200 500 1000", tick, " ")
  for (i = 1; i <= ticks; i++) {
    if (log10(tick[i]) < low || log10(tick[i]) > high) continue
    vertical(x_of(tick[i]), top - 4, bottom, tick[i] == 1 ? "one" : "grid")
    text(x_of(tick[i]), bottom + 16, "tick", tick[i])
  }
  text((left + width - right) / 2, bottom + 36, "tick",
    "times better than the kernel, logarithmic (1: the same)")
  y = top
  for (i = 1; i <= bars; i++) {
    if (i == speeds + 1) {
      y += gap
      text(left - 8, y - 8, "head", "server CPU by request")
    }
    draw(i, y)
    y += step
  }
  # the legend, where the bars of CPU begin or at the foot
  y = bottom + 28
  printf "<rect x=\"14\" y=\"%d\" width=\"12\" height=\"12\" class=\"speed\"/>", y - 10
  text(30, y, "", "as wanted")
  printf "<rect x=\"94\" y=\"%d\" width=\"12\" height=\"12\" class=\"short\"/>", y - 10
  text(110, y, "", "short of it")
  vertical(184, y - 11, y + 3, "mark")
  text(192, y, "", "wanted")
  print "</svg>"
}
