#pragma once

#include <string>
#include <vector>

#include "apps/render.h"

namespace tacit {

struct TableColumn {
  std::string title;
  bool right = false;  // numbers stand at the right
};

struct TableOptions {
  int64_t least_last = 12;  // columns below which the last one is not squeezed
  bool wrap = false;        // what of the last column does not fit goes on below, else it is cut
};

// A line of titles and a line a row, columns as wide as their widest cell; the last takes the width that is left. Those
// at the end that find no place stand below their row, with their titles.
Lines table_lines(const std::vector<TableColumn>& columns, const std::vector<std::vector<std::string>>& rows,
                  const RenderOptions& options, const TableOptions& table = {});

}  // namespace tacit
