#include <algorithm>
#include <cstdlib>
#include <utility>

#include "datasets/generators.h"
#include "lib/core/error.h"

// The task `maze`: the length of the shortest path through a square grid, modulo 10, row by row.
//     # . S | . . # | G . . |
// '#' wall, '.' open, S start, G goal, '|' ends a row; moves go up, down, left and right. Lengths are drawn first and
// uniformly, so that over ten of them every answer is as likely, and lengths can be held out without holding out
// answers (whether the goal can be reached at all would show in how many walls there are). How much longer the path is
// than the straight line is drawn as well, 0 to `detours` times two moves, at most half of the path: else most paths
// would be straight. Start and goal give away the parity; `tacit data audit maze` says how far the straight line alone
// gets. Steps are the cells of a shortest path behind the start, "row column".

namespace tacit {
namespace {

struct MazeOptions {
  Range size{8, 8};
  Range depth{3, 12};  // moves of the shortest path
  int64_t detours = 3;
  double walls = 0.35;  // share of the cells
  int64_t numbers = 16;
};

MazeOptions read_options(const JsonReader& in) {
  in.only({"size", "depth", "detours", "walls", "numbers"});
  MazeOptions o;
  o.numbers = integer_or(in, "numbers", o.numbers, 10, 64);
  o.size = read_range(in, "size", o.size, 2, o.numbers);
  if (o.size.high > o.numbers) in.reject("numbers", "to be at least the size, " + std::to_string(o.size.high));
  const int64_t longest = o.size.low * o.size.low - 1;
  o.depth = read_range(in, "depth", o.depth, 1, longest);
  if (o.depth.high > longest) in.reject("depth", "to be at most " + std::to_string(longest) + ", the cells less one");
  o.detours = integer_or(in, "detours", o.detours, 0, 1000);
  o.walls = in.number("walls", o.walls);
  if (!(o.walls >= 0 && o.walls < 1)) in.reject("walls", "to lie in 0..1, 1 excluded");
  return o;
}

struct Grid {
  int64_t size = 0;
  std::vector<char> wall;  // by cell, row by row

  std::vector<int64_t> neighbours(int64_t cell) const {
    const int64_t row = cell / size, column = cell % size;
    std::vector<int64_t> open;
    const auto add = [&](bool inside, int64_t other) {
      if (inside && !wall[other]) open.push_back(other);
    };
    add(row > 0, cell - size);
    add(row + 1 < size, cell + size);
    add(column > 0, cell - 1);
    add(column + 1 < size, cell + 1);
    return open;
  }
  // Moves between two cells if there were no walls.
  int64_t straight(int64_t a, int64_t b) const { return std::abs(a / size - b / size) + std::abs(a % size - b % size); }
  // Moves from `from` to every cell; -1 where there is no way.
  std::vector<int64_t> distances(int64_t from) const {
    std::vector<int64_t> distance(wall.size(), -1), queue = {from};
    distance[from] = 0;
    for (size_t i = 0; i < queue.size(); ++i) {
      for (const int64_t next : neighbours(queue[i])) {
        if (distance[next] >= 0) continue;
        distance[next] = distance[queue[i]] + 1;
        queue.push_back(next);
      }
    }
    return distance;
  }
};

struct Maze {
  Grid grid;
  int64_t start = 0, goal = 0;
};

// Rows and columns between start and goal, for a path of this length.
int64_t draw_straight(const MazeOptions& o, int64_t size, int64_t depth, Rng& rng) {
  const int64_t least = std::max<int64_t>(0, (depth - 2 * (size - 1) + 1) / 2);  // detours, for want of room
  return depth - 2 * rng.between(least, std::max(least, std::min(o.detours, depth / 4)));
}

Maze draw_maze(const MazeOptions& o, int64_t size, int64_t depth, Rng& rng) {
  const int64_t straight = draw_straight(o, size, depth, rng);
  for (int64_t tries = 0; tries < kMostTries; ++tries) {
    Maze maze{{size, std::vector<char>(static_cast<size_t>(size * size))}};
    std::vector<int64_t> open, goals;
    for (int64_t cell = 0; cell < size * size; ++cell) {
      maze.grid.wall[cell] = rng.uniform() < o.walls;
      if (!maze.grid.wall[cell]) open.push_back(cell);
    }
    if (open.empty()) continue;
    maze.start = rng.choice(open);
    const std::vector<int64_t> distance = maze.grid.distances(maze.start);
    for (const int64_t cell : open) {
      if (distance[cell] == depth && maze.grid.straight(maze.start, cell) == straight) goals.push_back(cell);
    }
    if (goals.empty()) continue;
    maze.goal = rng.choice(goals);
    return maze;
  }
  fail("maze", "expected shortest paths of ", depth, " moves but ", kMostTries, " mazes of size ", size,
       " in a row had none; ask for shorter ones, or another share of walls than ", o.walls);
}

Example make(const MazeOptions& o, uint64_t seed, int64_t index) {
  Example example = named_example("maze", seed, index);
  Rng rng = example_rng(seed, index, kMazeStream);
  const int64_t size = rng.between(o.size.low, o.size.high), depth = rng.between(o.depth.low, o.depth.high);
  const Maze maze = draw_maze(o, size, depth, rng);
  std::vector<std::string> words;
  for (int64_t cell = 0; cell < size * size; ++cell) {
    words.emplace_back(cell == maze.start ? "S" : cell == maze.goal ? "G" : maze.grid.wall[cell] ? "#" : ".");
    if (cell % size == size - 1) words.emplace_back("|");
  }
  example.question = joined(words);
  const std::vector<int64_t> left = maze.grid.distances(maze.goal);
  for (int64_t cell = maze.start; cell != maze.goal;) {
    std::vector<int64_t> nearer = maze.grid.neighbours(cell);
    std::erase_if(nearer, [&](int64_t next) { return left[next] != left[cell] - 1; });
    cell = rng.choice(nearer);
    example.steps.push_back(std::to_string(cell / size) + " " + std::to_string(cell % size));
  }
  example.answer = std::to_string(depth % 10);
  example.meta["depth"] = depth;
  example.meta["size"] = size;
  return example;
}

std::string straight_line(const Example& example) {
  int64_t row = 0, column = 0;
  std::pair<int64_t, int64_t> start, goal;
  for (const std::string& word : split_words(example.question)) {
    if (word == "S") start = {row, column};
    if (word == "G") goal = {row, column};
    ++column;
    if (word == "|") ++row, column = 0;
  }
  return std::to_string((std::abs(start.first - goal.first) + std::abs(start.second - goal.second)) % 10);
}

std::string wall_count(const Example& example) {
  return std::to_string(std::ranges::count(example.question, '#') % 10);
}

Generator open(const JsonReader& in) {
  const MazeOptions o = read_options(in);
  std::vector<std::string> words = number_words(o.numbers);
  for (const char* word : {"#", ".", "S", "G", "|"}) words.emplace_back(word);
  return {.options = {{"size", to_json(o.size)},
                      {"depth", to_json(o.depth)},
                      {"detours", o.detours},
                      {"walls", o.walls},
                      {"numbers", o.numbers}},
          .vocabulary = with_marks(words),
          .example = [o](uint64_t seed, int64_t index) { return make(o, seed, index); },
          .max_words = 2 * o.depth.high};
}

}  // namespace

GeneratedTask maze_task() {
  return {.name = "maze",
          .summary = "the length of the shortest path through a grid with walls, modulo 10",
          .open = open,
          .rules = {{"straight line", "rows and columns between start and goal, modulo 10", straight_line},
                    {"wall count", "the number of walls, modulo 10", wall_count}}};
}

}  // namespace tacit
