#include "lib/core/files.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <ostream>
#include <stdexcept>

#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

// A disk that is full after `bytes`, as far as this process can tell.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

// Root may write anywhere, so it steps down for the length of a test.
class OrdinaryUser {
 public:
  OrdinaryUser() : root_(::geteuid() == 0), stepped_down_(!root_ || ::seteuid(65534) == 0) {}
  ~OrdinaryUser() {
    if (root_ && ::seteuid(0) != 0) std::abort();
  }
  bool stepped_down() const { return stepped_down_; }

 private:
  bool root_, stepped_down_;
};

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  for_each_line(path, "test", [&](std::string_view text, int64_t number) {
    CHECK(number == static_cast<int64_t>(lines.size()) + 1);
    lines.emplace_back(text);
  });
  return lines;
}

}  // namespace

TEST_CASE("what is written comes back byte for byte, at sizes around the buffers") {
  const ScratchFolder folder;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65535}, size_t{65536}, size_t{65537}, size_t{300'001}}) {
    CAPTURE(size);
    std::string content(size, '\0');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 31 + i / 251);
    write_file_atomic(folder / "whole", content, "test");
    CHECK(read_file(folder / "whole", "test") == content);
    write_file_atomic(
        folder / "pieces",
        [&](std::ostream& out) {
          for (size_t i = 0; i < size; i += 999) out << std::string_view(content).substr(i, 999);
        },
        "test");
    CHECK(read_file(folder / "pieces", "test") == content);
    const auto bytes = MappedFile::open(folder / "whole", "test")->bytes();
    CHECK(bytes.size() == size);
  }
  CHECK(folder.names().size() == 2);  // no temporary file is left
}

TEST_CASE("reading names the file and the system's reason") {
  const ScratchFolder folder;
  const auto reason = [&](const std::filesystem::path& path) { return error_of([&] { read_file(path, "load"); }); };
  CHECK(reason(folder / "none") ==
        "[load] expected a readable file but got \"No such file or directory\" in " + (folder / "none").string());
  CHECK(holds(reason(folder.path()), "Is a directory"));
  CHECK(holds(error_of([&] { MappedFile::open(folder / "none", "load"); }), "No such file or directory"));
  CHECK(holds(error_of([&] { MappedFile::open(folder.path(), "load"); }), "regular file"));
  CHECK(
      holds(error_of([&] { for_each_line(folder / "none", "load", [](auto, auto) {}); }), "No such file or directory"));
}

TEST_CASE("a writer that throws or fails leaves the old content and no temporary file") {
  const ScratchFolder folder;
  const std::filesystem::path path = folder / "file";
  write_file_atomic(path, "old", "test");

  CHECK_THROWS_AS(write_file_atomic(
                      path,
                      [](std::ostream& out) {
                        out << std::string(200'000, 'x');
                        throw std::logic_error("stop");
                      },
                      "save"),
                  std::logic_error);
  CHECK(read_file(path, "test") == "old");

  const std::string failed = error_of([&] {
    write_file_atomic(
        path, [](std::ostream& out) { out.setstate(std::ios::failbit); }, "save");
  });
  CHECK(holds(failed, path.string()));
  CHECK(read_file(path, "test") == "old");
  CHECK(folder.names() == std::vector<std::string>{"file"});
}

TEST_CASE("a disk that fills up: error names file and reason, old content stays, nothing is left behind") {
  const ScratchFolder folder;
  const std::filesystem::path path = folder / "file";
  write_file_atomic(path, "old", "test");
  std::string error;
  {
    const FileSizeLimit limit(4096);
    error = error_of([&] { write_file_atomic(path, std::string(1'000'000, 'x'), "save"); });
  }
  CHECK(error == "[save] expected to write the file but got \"File too large\" in " + path.string());
  CHECK(read_file(path, "test") == "old");
  CHECK(folder.names() == std::vector<std::string>{"file"});
}

TEST_CASE("a place that cannot be written: error names file and reason") {
  const ScratchFolder folder;
  write_file_atomic(folder / "file", "x", "test");
  std::filesystem::create_directory(folder / "directory");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  struct Row {
    std::filesystem::path path;
    std::string reason;
  };
  const std::vector<Row> rows = {{folder / "none" / "file", "No such file or directory"},
                                 {folder / "file" / "below", "Not a directory"},
                                 {folder / "directory", "something else"},
                                 {folder / "pipe", "something else"}};
  for (const Row& row : rows) {
    const std::string error = error_of([&] { write_file_atomic(row.path, "x", "save"); });
    CHECK(holds(error, "[save] expected"));
    CHECK(holds(error, row.reason));
    CHECK(holds(error, row.path.string()));
  }
  CHECK(std::filesystem::is_fifo(folder / "pipe"));  // not replaced by a file
  CHECK(folder.names().size() == 3);
}

TEST_CASE("a read-only folder: error names file and reason") {
  const ScratchFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
  {
    const OrdinaryUser user;
    if (!user.stepped_down()) {
      MESSAGE("not checked: root that cannot become an ordinary user");
      return;
    }
    const std::string reason = "\"Permission denied\" in " + (folder / "file").string();
    CHECK(holds(error_of([&] { write_file_atomic(folder / "file", "x", "save"); }), reason));
    CHECK(holds(error_of([&] { LineAppender(folder / "file", "log"); }), reason));
  }
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
}

TEST_CASE("replacing a file keeps its permissions") {
  const ScratchFolder folder;
  write_file_atomic(folder / "file", "old", "test");
  std::filesystem::permissions(folder / "file", std::filesystem::perms(0640));
  write_file_atomic(folder / "file", "new", "test");
  CHECK(std::filesystem::status(folder / "file").permissions() == std::filesystem::perms(0640));
  CHECK(read_file(folder / "file", "test") == "new");
}

TEST_CASE("lines come without their ends, also when they reach over a read") {
  const ScratchFolder folder;
  struct Row {
    std::string content;
    std::vector<std::string> lines;
  };
  const std::string crossing(65'535, 'a'), longer(200'000, 'b');
  const std::vector<Row> rows = {{"", {}},
                                 {"\n", {""}},
                                 {"one\ntwo\r\n\nfour", {"one", "two", "", "four"}},
                                 {"a\rb\r\n", {"a\rb"}},
                                 {crossing + "\r\n" + longer + "\nend\n", {crossing, longer, "end"}}};
  for (const Row& row : rows) {
    write_file_atomic(folder / "file", row.content, "test");
    CHECK(lines_of(folder / "file") == row.lines);
  }
}

TEST_CASE("opening an appender cuts the line that a kill left unfinished, and only that") {
  const ScratchFolder folder;
  struct Row {
    std::string before, after;
  };
  const std::string long_tail(20'000, 't');
  const std::vector<Row> rows = {
      {"", ""},
      {"one\ntwo\n", "one\ntwo\n"},
      {"one\ntw", "one\n"},
      {"on", ""},
      {"one\n" + long_tail, "one\n"},
      {long_tail, ""},
      {std::string(4096, 'x') + "\n" + std::string(4095, 't'), std::string(4096, 'x') + "\n"}};
  for (const Row& row : rows) {
    write_file_atomic(folder / "log", row.before, "test");
    {
      LineAppender log(folder / "log", "log");
      CHECK(read_file(folder / "log", "test") == row.after);
      log.append("new");
      CHECK(read_file(folder / "log", "test") == row.after + "new\n");  // there before the appender is closed
      log.sync();
    }
    CHECK(read_file(folder / "log", "test") == row.after + "new\n");
  }
}

TEST_CASE("an appender refuses a line end inside a line and leaves the file alone") {
  const ScratchFolder folder;
  LineAppender log(folder / "log", "log");
  for (const char* line : {"a\nb", "a\n", "\n", "a\r"}) {
    CHECK(holds(error_of([&] { log.append(line); }), (folder / "log").string()));
  }
  CHECK(read_file(folder / "log", "test") == "");
}

TEST_CASE("a line that does not fit on the disk is taken back whole, so the next one starts cleanly") {
  const ScratchFolder folder;
  LineAppender log(folder / "log", "log");
  log.append("first");
  std::string error;
  {
    const FileSizeLimit limit(4096);
    error = error_of([&] { log.append(std::string(10'000, 'x')); });
  }
  CHECK(holds(error, "File too large"));
  CHECK(holds(error, (folder / "log").string()));
  log.append("second");
  CHECK(read_file(folder / "log", "test") == "first\nsecond\n");
}

TEST_CASE("a mapped file stays readable after its name is gone") {
  const ScratchFolder folder;
  write_file_atomic(folder / "file", "content", "test");
  const auto map = MappedFile::open(folder / "file", "test");
  std::filesystem::remove(folder / "file");
  CHECK(std::string(reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size()) == "content");
  CHECK(map->path() == folder / "file");
}

TEST_CASE("SHA-256 equals the published vectors") {
  // FIPS 180-4 examples; the padding needs one block for up to 55 bytes and two for 56 to 63.
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmno"
                   "pqrstnopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 pads right at every block border") {
  struct Row {
    size_t size;
    const char* hash;
  };  // of `size` letters a, from coreutils sha256sum
  const std::vector<Row> rows = {
      {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
      {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
      {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
      {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
      {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
      {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
      {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
      {128, "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e"},
  };
  for (const Row& row : rows) CHECK(sha256_hex(std::string(row.size, 'a')) == row.hash);
}
