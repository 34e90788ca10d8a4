#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace tacit::test {

// An element of a page: its attributes, entities resolved, and what stands in it.
struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::vector<Element> children;
  std::string text;  // of itself and all within, in order

  bool has_class(const std::string& wanted) const {
    const auto found = attributes.find("class");
    return found != attributes.end() && (" " + found->second + " ").find(" " + wanted + " ") != std::string::npos;
  }
  template <class Test>
  void collect(const Test& test, std::vector<const Element*>& out) const {
    if (test(*this)) out.push_back(this);
    for (const Element& child : children) child.collect(test, out);
  }
  template <class Test>
  std::vector<const Element*> all(const Test& test) const {
    std::vector<const Element*> out;
    collect(test, out);
    return out;
  }
  std::vector<const Element*> named(const std::string& wanted) const {
    return all([&](const Element& e) { return e.name == wanted; });
  }
  const Element* with_id(const std::string& id) const {
    const auto found =
        all([&](const Element& e) { return e.attributes.contains("id") && e.attributes.at("id") == id; });
    return found.empty() ? nullptr : found[0];
  }
};

// A strict reader of what html_report() writes, far narrower than HTML: every element but `void` ones is closed in
// turn, attributes are lower case, quoted and unique, '<' and '&' occur as markup only, entities are the five and
// '&#39;'. `error` says what is wrong and where; "" = nothing.
class PageReader {
 public:
  explicit PageReader(const std::string& text) : text_(text) {}

  Element read() {
    Element root{.name = "root", .attributes = {}, .children = {}, .text = {}};
    if (text_.starts_with("<!DOCTYPE html>\n")) at_ = 16;
    read_into(root);
    if (error.empty() && at_ != text_.size()) fail("a closing tag that closes nothing");
    return root;
  }
  std::string error;

 private:
  static bool is_void(const std::string& name) { return name == "meta" || name == "br"; }
  void fail(const std::string& what) {
    if (error.empty()) error = what + " at byte " + std::to_string(at_) + ": " + text_.substr(at_, 60);
  }
  bool at(const std::string& word) const { return text_.compare(at_, word.size(), word) == 0; }
  bool take(const std::string& word) {
    if (!at(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string name() {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-')) ++at_;
    if (begin == at_) fail("a name");
    return text_.substr(begin, at_ - begin);
  }
  char entity() {
    for (const auto& [written, means] :
         {std::pair{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}})
      if (take(written)) return means;
    fail("an entity");
    return 0;
  }
  void attribute(Element& element) {
    const std::string key = name();
    if (!take("=\"")) {
      if (key != "hidden") fail("a quoted value");
      return;
    }
    std::string value;
    while (error.empty() && at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '<' || text_[at_] == '>') return fail("markup in an attribute");
      value += text_[at_] == '&' ? entity() : text_[at_++];
    }
    if (!take("\"")) fail("the end of an attribute");
    if (!element.attributes.emplace(key, value).second) fail("an attribute that comes twice");
  }
  void read_element(Element& parent) {
    Element element;
    element.name = name();
    while (error.empty() && take(" ")) attribute(element);
    const bool closed = take("/>");
    if (!closed && !take(">")) fail("the end of a tag");
    if (element.name == "script" || element.name == "style") {
      const size_t end = text_.find("</", at_);
      if (end == text_.npos) return fail("the end of a script");
      element.text = text_.substr(at_, end - at_);
      at_ = end;
      if (!take("</" + element.name + ">")) fail("the end of " + element.name);
    } else if (!closed && !is_void(element.name)) {
      read_into(element);
      if (!take("</" + element.name + ">")) fail("</" + element.name + ">");
      parent.text += element.text;
    }
    parent.children.push_back(std::move(element));
  }
  void read_into(Element& element) {
    while (error.empty() && at_ < text_.size() && !at("</")) {
      if (take("<")) {
        read_element(element);
      } else if (text_[at_] == '>') {
        fail("a bare >");
      } else {
        element.text += text_[at_] == '&' ? entity() : text_[at_++];
      }
    }
  }

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace tacit::test
