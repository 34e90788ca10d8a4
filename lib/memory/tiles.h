#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

namespace tacit {

// Attention over a stored prefix, in tiles: some queries of some rows over the columns that any of them sees. Columns
// that lie after a tile's last query, or in no query's window, cost nothing.

// The queries of a segment.
struct QueryRows {
  bool packed = false;          // [1, H, N, E], rows one behind the other; else [B, H, T, E]
  std::vector<int64_t> from;    // by row: the column of its first query
  std::vector<int64_t> counts;  // by row
  std::vector<int64_t> offset;  // by row, packed: where its queries begin
};
QueryRows make_query_rows(bool packed, std::vector<int64_t> from, std::vector<int64_t> counts);

struct Tile {
  int64_t row = 0, rows = 0;       // whose queries have the same columns
  int64_t query = 0, queries = 0;  // of each
  int64_t column = 0, columns = 0;
  at::Tensor
      hidden;  // bool [rows or 1, queries, n]: the last n columns that a query does not see; undefined = sees all
};

// Columns at the left of each row that nobody sees, except that a query in one of them sees itself.
struct Padding {
  std::vector<int64_t> begins;  // by row; empty: the device alone knows them, and any row may have some
  at::Tensor begin_B;           // the same, int64, on the device
};

// Tiles that cover all queries. window: columns that a query sees, its own included; 0 = all. Where the device alone
// knows the padding, queries are not packed.
std::vector<Tile> make_tiles(const QueryRows& queries, const Padding& padding, int64_t window);

// Rows that lie alike, as [row, number of rows].
std::vector<std::pair<int64_t, int64_t>> equal_rows(const QueryRows& queries);

// The tile's part of queries, or of what they found: a view [rows, H, queries, E].
at::Tensor part_of(const at::Tensor& x, const QueryRows& queries, const Tile& tile);

// Keys and values of a layer, and their gradients, which are zero but between backward passes of segments.
struct StoredPrefix {
  at::Tensor k_BGCE, v_BGCE;    // v: a view of k where values lie in the keys
  at::Tensor dk_BGCE, dv_BGCE;  // undefined before the first backward pass
};

// What q finds among the columns stored, its own included: softmax(scale q k^T) v by tile. As a node of the autograd
// graph it hands out the gradients of q and of the segment's own k and v, whose values the prefix holds already.
// `chain`: in, the tensor that the layer's last segment left (undefined = none); out, this segment's.
struct PrefixAttention {
  std::shared_ptr<StoredPrefix> prefix;
  std::shared_ptr<const std::vector<Tile>> tiles;
  QueryRows tokens;   // of the keys
  QueryRows queries;  // the same, or the rows' last ones
  double scale = 1;
};
at::Tensor attend_to_prefix(const PrefixAttention& how, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            at::Tensor& chain);

}  // namespace tacit
