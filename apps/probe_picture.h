#pragma once

#include "apps/render.h"
#include "eval/probe/chart.h"

namespace tacit {

// A chart as a table with bars: a row for every series, a column for every place of its axis, below each value its
// interval; several panels below each other where the width does not hold all columns. A bar is as long as its value
// lies up the axis. With chance in the chart, colour tells whose interval lies above it.
Lines chart_picture(const probe::Chart& chart, const RenderOptions& options);

// All of a report: charts, then notes.
Lines probe_picture(const probe::ProbeReport& report, const RenderOptions& options);

}  // namespace tacit
