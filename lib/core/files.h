#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tacit {

// Whole file as bytes. Fails naming the file and the system's reason.
std::string read_file(const std::filesystem::path& path, std::string_view operation);

// Writes through a temporary file in the same folder, then fsync and rename: readers see the old or the new content,
// never a part of it, also after a kill. `write` may write in pieces. Fails naming the file and the system's reason;
// the temporary file is removed.
void write_file_atomic(const std::filesystem::path& path, std::string_view content, std::string_view operation);
void write_file_atomic(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write,
                       std::string_view operation);

// Calls `line(text, number)` for each line, numbers from 1, without the line end ("\r\n" counts as one).
void for_each_line(const std::filesystem::path& path, std::string_view operation,
                   const std::function<void(std::string_view text, int64_t number)>& line);

// Appends whole lines to a file, each flushed to the system before append() returns. Opening cuts a last line that was
// left without its line end by a kill: nobody else may be writing (lib/core/folder_lock.h).
class LineAppender {
 public:
  LineAppender(std::filesystem::path path, std::string_view operation);
  ~LineAppender();
  LineAppender(const LineAppender&) = delete;
  LineAppender& operator=(const LineAppender&) = delete;

  void append(std::string_view line);  // without line end; must not contain one
  void sync();                         // to the disk

 private:
  std::filesystem::path path_;
  std::string operation_;
  int descriptor_;
};

// A file mapped into memory. The file is never written: a tensor over it that is changed in place gets pages of its
// own. Shared by whoever points into it; unmapped with the last owner.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, std::string_view operation);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size);
  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

// SHA-256 of the content, lower-case hex.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

}  // namespace tacit
