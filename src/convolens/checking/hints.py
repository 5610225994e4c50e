"""What to ask a learner whose function makes a known mistake: a question that leads to it, not the answer."""

from __future__ import annotations

__all__ = ["HINTS"]

HINTS = {
    "stride ignored": "Where does the window for output (1, 1) begin when the stride is 2?",
    "stride ignored in backward": (
        "Backward must visit the same windows as forward. Where did they begin when the stride was 2?"
    ),
    "stride of one direction used for both": (
        "The stride has a vertical and a horizontal part. Which one moves the row?"
    ),
    "one index used for rows and columns": "Which loop moves the window down, and which to the right?",
    "height and width swapped": (
        "Try an image that is wider than it is high, and follow one index from the shape to the slice."
    ),
    "kernel flipped": "In deep learning the kernel is laid on the window as it is. Is yours turned around?",
    "kernel transposed": "Which axis of W is its height?",
    "bias added per product": "How many times is the bias added for one output? Count the cells of the window.",
    "bias added per channel": "How many times is the bias added for one output? Count the input channels.",
    "bias added twice": "Find every place where the bias comes in.",
    "bias left out": "What should an output be when every weight is 0?",
    "bias subtracted": "Look at the sign of the bias.",
    "first bias used for every filter": "Each filter has its own bias. Which one do you read?",
    "first filter used for every output": "Each output channel has its own filter. Which one do you read?",
    "only one input channel used": "A filter is as deep as its input. How many channels does your window have?",
    "window over all channels": "Pooling treats each channel by itself. How many channels does your window have?",
    "batch not summed": (
        "The weights are shared by all images. What happens to the first image's share when the second comes?"
    ),
    "only the first image used": "What changes when there are two images instead of one?",
    "padding cropped on the wrong axes": (
        "The padding was added to rows and columns. From which axes do you take it off?"
    ),
    "padding cropped on one side only": (
        "Padding was added before and after. How much of it do you take off, and where?"
    ),
    "padding not cropped": "The gradient must have the shape of the unpadded input.",
    "[pad:-pad] with pad 0": "What is x[0:-0]?",
    "unpadded input used": "The windows were cut from the padded input. Which array do you slice?",
    "wrong output size": (
        "Count the windows on paper: how many places fit, with this size, window, stride and padding?"
    ),
    "= for +=": "Windows overlap and weights are shared. What happens to a share that is already there?",
    "returned inside the loop": "Look at how far the return is indented. How many windows are done by then?",
    "average not divided": "The average of four equal numbers is that number. Is yours?",
    "average divided twice": "The average of four equal numbers is that number. Is yours?",
    "average divided by the wrong number": "By how many cells does the average divide?",
    "mode ignored": "Do the two modes give different results?",
    "minimum instead of maximum": "Which cell of the window should win?",
    "maximum of absolute values": "Try a window with a large negative number.",
    "maximum starts from 0": "Try a window in which every value is negative.",
    "only one of the tied maxima": (
        "Two cells share the maximum. Which of them do you mark? (Frameworks mark one; the course marks every one.)"
    ),
    "tied maxima share the gradient": (
        "Two cells share the maximum. The course sends the full gradient to each of them."
    ),
    "maximum by row or column": "The mask asks about the maximum of the whole window.",
    "mask inverted": "True should mark the maximum, not the others.",
    "mask holds values": (
        "A mask says where the maximum is, with True and False; it holds none of the window's values."
    ),
    "mask left out": "Which cells of the window had any influence on the maximum?",
    "mask multiplied by the input": "The gradient goes to the maximum as it is. What else do you multiply it by?",
    "output gradient indexed by the window's corner": (
        "dA is indexed by the output's place, (h, w), not by where the window begins."
    ),
    "wrong window for the weight's gradient": "The gradient of a weight is what it was multiplied by, times dZ.",
    "wrong factor in the input's gradient": "The gradient of an input is what it was multiplied by, times dZ.",
    "gradients of all filters added": "Each filter has its own dZ. Which one do you read?",
    "one filter's gradient used for all": "Each filter has its own dZ. Which one do you read?",
    "gradient of the bias not summed over places": "The bias was added at every place. How many shares does it get?",
    "window of the wrong size": "How many rows lie between the window's start and its end?",
    "window starts at the wrong place": "Where does the very first window begin?",
    "window ends at the stride": "The window's size and the stride are two numbers. Which one ends the window?",
    "product left out": "One step multiplies the window by the filter, cell by cell.",
    "sum left out": "One step gives one number. What turns all the products into one?",
    "mean instead of sum": "The products are added up, not averaged.",
    "an activation is applied": "The function returns the sum itself. What else is done to it?",
    "activation left out": "The function returns the activation of the sum.",
    "activation applied before the bias": "In which order do the bias and the activation come?",
    "padding ignored": "What should change with padding='same'?",
    "padding ignores the stride": "How much padding keeps the output's size when the stride is 2?",
    "padding rounded down": "The exercise rounds half a cell of padding up.",
    "padding with one cell too many": "Compute the padding for a 3 x 3 kernel at stride 1 by hand.",
    "padding as in Keras": (
        "Here the output keeps the input's size at any stride. Keras divides the size by the stride."
    ),
    "padding on the wrong axes": "Of the four axes only rows and columns get a border.",
    "padding on one side only": "The border goes all around.",
    "padding of the wrong size": "How many rows does a pad of 2 add above the image?",
    "padding with another value": "Which value should the border hold?",
    "cache is wrong": (
        "What does backward need to know? The cache holds it, in the exercise's order, with the input unpadded."
    ),
    "input mutated": "The caller's array must be the same after the call. Which line writes into it?",
    "integer result": "Fractions are lost. Which array or division works with whole numbers?",
    "outputs in the wrong order": "Compare your return line with the exercise's.",
    "right numbers in the wrong shape": (
        "The numbers are right. Compare the shape with the one that the exercise asks for."
    ),
    "a number expected, an array returned": (
        "The bias is an array of one number. How do you take the number out of it?"
    ),
    "float() of an array": (
        "NumPy 2 turns only an array without axes into a float. How else can you take the one number out?"
    ),
    "does not end": "Which loop never reaches its end?",
    "ends the process": "Which call ends Python where the function should return?",
    "sign is wrong": "Compare the signs.",
    "not written yet": "Write the function's body.",
}
