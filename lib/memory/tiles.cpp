#include "lib/memory/tiles.h"

#include <algorithm>

namespace tacit {

QueryRows make_query_rows(bool packed, std::vector<int64_t> from, std::vector<int64_t> counts) {
  QueryRows out{.packed = packed, .from = std::move(from), .counts = std::move(counts)};
  int64_t offset = 0;
  for (const int64_t count : out.counts) {
    out.offset.push_back(offset);
    offset += count;
  }
  return out;
}

static bool all_equal(const std::vector<int64_t>& x) {
  return std::ranges::all_of(x, [&](int64_t v) { return v == x[0]; });
}

std::vector<std::pair<int64_t, int64_t>> equal_rows(const QueryRows& queries) {
  const int64_t rows = static_cast<int64_t>(queries.counts.size());
  if (all_equal(queries.counts) && all_equal(queries.from)) return {{0, rows}};
  std::vector<std::pair<int64_t, int64_t>> out;
  for (int64_t b = 0; b < rows; ++b) {
    if (queries.counts[b] > 0) out.emplace_back(b, 1);
  }
  return out;
}

namespace {

// Rows that share their queries' columns; some may have padding, which is hidden then.
struct Group {
  int64_t row = 0, rows = 0, begin = 0;
  bool hides_padding = false;
};

std::vector<Group> make_groups(const QueryRows& queries, const std::vector<int64_t>& begins) {
  constexpr int64_t few = 4;  // queries a row, of which a masked batch costs less than a product for each row
  std::vector<Group> out;
  for (const auto& [row, rows] : equal_rows(queries)) {
    if (begins.empty()) {
      out.push_back({row, rows, 0, /*hides_padding=*/true});
      continue;
    }
    const bool alike = all_equal({begins.begin() + row, begins.begin() + row + rows});
    if (alike && (queries.packed || begins[row] == 0)) {
      out.push_back({row, rows, begins[row]});
    } else if (!queries.packed || queries.counts[row] <= few) {
      out.push_back({row, rows, 0, /*hides_padding=*/true});
    } else {
      for (int64_t b = row; b < row + rows; ++b) out.push_back({b, 1, begins[b]});
    }
  }
  return out;
}

// The columns of a tile that its queries do not see [rows or 1, queries, n]; undefined = none.
at::Tensor hidden_columns(const Tile& tile, const Group& group, const at::Tensor& begin_B, int64_t first_column,
                          int64_t window) {
  const auto options = begin_B.options();
  const bool cut_by_window = window > 0 && tile.queries > 1 && tile.column < first_column + tile.queries - window;
  if (!group.hides_padding && !cut_by_window) {
    if (tile.queries == 1) return {};
    return at::ones({1, tile.queries, tile.queries}, options.dtype(at::kBool)).triu(1);
  }
  const at::Tensor query_Q1 = at::arange(first_column, first_column + tile.queries, options).unsqueeze(1);
  const at::Tensor column_S = at::arange(tile.column, tile.column + tile.columns, options);
  at::Tensor hidden = (column_S > query_Q1).unsqueeze(0);
  if (window > 0) hidden = hidden | (column_S <= query_Q1 - window);
  if (group.hides_padding) {
    const at::Tensor begin_B11 = begin_B.narrow(0, tile.row, tile.rows).view({-1, 1, 1});
    hidden = hidden | ((column_S < begin_B11) & (column_S != query_Q1));
  }
  return hidden;
}

}  // namespace

std::vector<Tile> make_tiles(const QueryRows& queries, const Padding& padding, int64_t window) {
  constexpr int64_t block = 128;  // queries a tile
  std::vector<Tile> out;
  for (const Group& group : make_groups(queries, padding.begins)) {
    const int64_t count = queries.counts[group.row], from = queries.from[group.row];
    for (int64_t query = 0; query < count; query += block) {
      Tile tile{.row = group.row, .rows = group.rows, .query = query, .queries = std::min(block, count - query)};
      const int64_t first = from + query;
      tile.column = window > 0 ? std::max(group.begin, first - window + 1) : group.begin;
      tile.columns = first + tile.queries - tile.column;
      tile.hidden = hidden_columns(tile, group, padding.begin_B, first, window);
      out.push_back(std::move(tile));
    }
  }
  return out;
}

at::Tensor part_of(const at::Tensor& x, const QueryRows& queries, const Tile& tile) {
  if (!queries.packed) return x.narrow(0, tile.row, tile.rows).narrow(2, tile.query, tile.queries);
  const int64_t count = queries.counts[tile.row];
  return x.select(0, 0)
      .narrow(1, queries.offset[tile.row], tile.rows * count)
      .unflatten(1, {tile.rows, count})
      .narrow(2, tile.query, tile.queries)
      .transpose(0, 1);
}

}  // namespace tacit
